"""Every route of the API, one module for each thing it is about."""

from functions.api.routes.audiences import blueprint as audiences
from functions.api.routes.dead_letters import blueprint as dead_letters
from functions.api.routes.documentation import blueprint as documentation
from functions.api.routes.estimates import blueprint as estimates
from functions.api.routes.focus_groups import blueprint as focus_groups
from functions.api.routes.health import blueprint as health
from functions.api.routes.jobs import blueprint as jobs
from functions.api.routes.personas import blueprint as personas
from functions.api.routes.projects import blueprint as projects
from functions.api.routes.usage import blueprint as usage

BLUEPRINTS = (documentation, health, projects, audiences, personas, focus_groups, jobs, estimates, usage, dead_letters)
