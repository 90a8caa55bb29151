"""What was `cap deploy`: our tasks, and the restart that `deploy:restart` was."""

from fabric import task
from invoke import Collection

from murder_fabric import murder


@task(hosts=["web[1-8]"])
def restart(c):
    """Restart the application, host after host."""
    c.run("systemctl restart app")


ns = Collection(murder, restart)
