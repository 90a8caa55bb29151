"""Hooks: tasks around the stages of a run, beside the commands in fabric.yaml."""

from fabric import task
from invoke import Collection

from murder_fabric import group_task, murder


@task
def before_switch(c):
    """Have the load balancer leave this host out; a host where that fails does not switch."""
    c.run(f"touch {c.murder_hook.destination}/shared/maintenance")


@task
def after_check(c):
    """The release is well here: let the load balancer come back."""
    c.run(f"rm -f {c.murder_hook.destination}/shared/maintenance")


@task
def after_switch_back(c):
    """The host is where it was, and may serve again."""
    c.run(f"rm -f {c.murder_hook.destination}/shared/maintenance")


@group_task
def failed(c):
    """Tell whoever is on duty, once; a group task's `run` is on this machine."""
    c.run(f"logger -t deploy '{c.murder_hook.tag} failed on {len(c.hosts)} hosts'")


for hook in (before_switch, after_check, after_switch_back, failed):
    murder.hooks.add_task(hook)

ns = Collection(murder)
