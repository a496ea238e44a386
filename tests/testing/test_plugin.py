"""The pytest plugin, from the outside: in test runs of its own."""

import subprocess
import sys

import pytest


@pytest.fixture
def run(pytester):
    """Run the text of a test module; the result of pytest."""

    def run(text: str):
        pytester.makepyfile(text)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider")

    return run


def test_the_fixtures_are_there(run):
    """Nothing needs to be imported or configured."""
    run("""
        import asyncio
        def test_marbles(marbles):
            marbles.expect(marbles.cold("a-b|"), "a-b|")
        def test_loop(virtual_loop):
            virtual_loop.run(asyncio.sleep(60))
        def test_same_loop(marbles, virtual_loop):
            assert marbles.loop is virtual_loop
    """).assert_outcomes(passed=3)


def test_a_failure_shows_the_timelines(run):
    """The report is what pytest prints, without the harness's own frames."""
    result = run("""
        def test_it(marbles):
            marbles.expect(marbles.cold("a-b|"), "a--b|")
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*expected  a--b|", "E*actual    a-b|", "E*^"])
    result.stdout.no_fnmatch_line("*compare(expected*")


@pytest.mark.parametrize(
    ("leak", "named"),
    [
        ("marbles.loop.create_task(asyncio.sleep(9), name='forgotten')", "*forgotten: sleep"),
        ("marbles.hot('-a').subscribe()", "*a subscription, since 0 ms, to the hot observable '-a'"),
        ("marbles.loop.call_later(1, print)", "*a timer, due at 1 s*"),
        ("marbles.loop.call_soon(lambda: 1 / 0)", "*ZeroDivisionError*"),
        (
            "threading.Thread(target=time.sleep, args=(0.6,), name='sleeper').start()",
            "*a thread that still runs: sleeper",
        ),
    ],
)
def test_a_test_fails_on_its_leaks(run, leak, named):
    """A test that passed, but left something behind, has not passed."""
    result = run(f"""
        import asyncio, threading, time
        def test_it(marbles):
            {leak}
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the test has left behind", named])


def test_a_failed_test_is_not_blamed_for_leaks(run):
    """One report is enough: a test that broke off could not clean up."""
    run("""
        def test_it(marbles):
            marbles.hot("-a").subscribe()
            assert False
    """).assert_outcomes(failed=1)


def test_fixtures_that_build_on_it_clean_up_first(run):
    """An object that a fixture disposes in its teardown is no leak."""
    run("""
        import pytest
        @pytest.fixture
        def subscription(marbles):
            subscription = marbles.hot("-a").subscribe()
            yield subscription
            subscription.dispose()
        def test_it(subscription):
            pass
    """).assert_outcomes(passed=1)


def test_importing_it_costs_nothing():
    """pytest loads the plugin in every project, so it imports nothing that is not there already."""
    script = (
        "import sys, pytest; import voicepipe.testing.plugin; "
        "print([name for name in ('numpy', 'reactivex', 'aiohttp', 'asyncio.events') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
