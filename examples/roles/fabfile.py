"""Nothing but our tasks: which hosts are what is in fabric.yaml."""

from invoke import Collection

from murder_fabric import murder

ns = Collection(murder)
