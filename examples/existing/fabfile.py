"""A fabfile that had tasks before: ours stand beside them, and one of them deploys."""

from fabric import task
from invoke import Collection

from murder_fabric import deploy, group_task, murder, rollback
from murder_fabric.errors import HostsFailed


@task
def uptime(c):
    """Show how long each host is up; once for each host, as ever."""
    c.run("uptime")


@group_task
def ship(c, tag):
    """Build the site here, deploy it to all hosts at once, and say what moved."""
    c.run("date -u > site/built.txt")
    result = deploy(c, files_path="site", destination_path="/srv/app", tag=tag, keep_releases=3)
    moved = sum(host.bytes_moved for host in result.hosts.values())
    print(f"{result.tag} on {len(result.hosts)} hosts, {moved} bytes moved")


@group_task
def back(c):
    """Go back to the last good release, and name the hosts that did not."""
    try:
        rollback(c, destination_path="/srv/app")
    except HostsFailed as error:
        print("not back:", ", ".join(error.result.failed))
        raise


ns = Collection(uptime, ship, back, murder)
