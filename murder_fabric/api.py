"""What Python code calls: the tasks as functions that take hosts first and return a `Result`."""

from __future__ import annotations

from .deploy import release_tasks, run_tasks, tasks
from .deploy.fleet import Fleet as Fleet
from .deploy.outcome import HostResult as HostResult
from .deploy.outcome import HostState as HostState
from .deploy.results import Result as Result
from .deploy.watching.view import View as View

deploy = tasks.deploy.function()
fetch = tasks.fetch.function()
switch = release_tasks.switch.function()
rollback = release_tasks.rollback.function()
releases = release_tasks.releases.function()
verify = release_tasks.verify.function()
catch_up = release_tasks.catch_up.function()
cleanup = release_tasks.cleanup.function()
lock = release_tasks.lock.function()
unlock = release_tasks.unlock.function()
doctor = release_tasks.doctor.function()
status = run_tasks.status.function()
