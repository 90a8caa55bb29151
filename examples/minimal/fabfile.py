"""The smallest fabfile: our tasks, and none of your own."""

from invoke import Collection

from murder_fabric import murder

ns = Collection(murder)
