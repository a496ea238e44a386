"""Check a deployment before its users do: the machine, the settings, the folders, and the address that users open."""
