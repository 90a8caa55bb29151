"""The tasks of murder for the machines of the Vagrantfile: `fab murder.deploy --files-path site`."""

import os
from pathlib import Path

from invoke import Collection, Exit

from murder_fabric import murder

HERE = Path(__file__).parent
if not (HERE / "ssh_config").exists():  # fabric.yaml names it
    raise Exit(
        "fab does not know the machines yet; once they are up: vagrant ssh-config > ssh_config", code=2
    )
IN_CONTAINERS = (HERE / ".vagrant" / "machines" / "tracker" / "lxc" / "id").exists()

ns = Collection(murder)
ns.configure(
    {
        "murder": {
            "roles": {
                "tracker": "tracker",
                "seeder": "seeder",
                "peer": f"web[1-{os.environ.get('PEERS', '5')}]",
            },
            "default_destination_path": "/srv/app",
            "sudo": True,
            # SSH comes in on eth0, where VirtualBox gives all machines one address; the network of their
            # own is on eth1.  Containers have eth0 alone.
            "interface": "eth0" if IN_CONTAINERS else "eth1",
        }
    }
)
