"""The plan that `altcraft plan init` writes."""

from __future__ import annotations

from typing import Final

__all__ = ["EXAMPLE"]

EXAMPLE: Final = """\
# What `altcraft run` recounts. Try it: altcraft run plan.toml --dry-run
#
# Files that are named here lie beside this one. Without `journal`, the run keeps its journal in plan.journal.
# history = "counts.history"          # every completed count; the table then shows what has changed
# report = "report.html"              # a page that is written after each run
# in_doubt = "submit again"           # when an answer is lost; "list" is the default, and recounts nothing twice

# The installations. The token stays in the environment: token_env names the variable that holds it.
[connections.main]
url = "https://your.host"
token_env = "ALTCRAFT_TOKEN"
# codec = "xml"                       # json is the default
# auth = "bearer"                     # body is the default
# listen = "0.0.0.0:8081"             # take the platform's word that a recount is done
# public_url = "https://me.example/altcraft"

# [limits]
# max_submissions = 1                 # at once; a run that is killed leaves so many in doubt at most
# max_in_flight = 16                  # polls at once
# max_polls_per_second = 10

# What a recount takes where neither it nor its section says otherwise.
[defaults]
resource = 24
database = 1
# alert_drop = 5                      # the report warns when subscriptions fall by more than 5 %

[[section]]
name = "Newsletter"

[[section.recount]]
name = "Newsletter, active"
segments = 7

[[section.recount]]
name = "Region {id}"                  # one recount for each id; {id} stands for it
segments = [8, 11, "20-25"]           # ids and ranges

[[section]]
name = "Databases"
resource = 12                         # for this section

[[section.recount]]
name = "Members"
databases = 5
resource = 24                         # for this recount

[[section.recount]]
name = "All profiles, by resource"
resources = [12, 24]                  # in database 1, as [defaults] says
"""
"""The text of that plan: it is read as a plan itself."""
