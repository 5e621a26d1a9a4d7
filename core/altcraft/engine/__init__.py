"""Private: carries out what the machines in `altcraft.tasks` command. Its names may change in any release."""
