"""`python -m benchmarks.adversary`."""

import sys

from benchmarks.adversary import main

sys.exit(main())
