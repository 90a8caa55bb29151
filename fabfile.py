"""The smallest fabfile that deploys: `fab -H 'web[1-8]' murder.deploy`."""

from invoke import Collection

from murder_fabric import murder

ns = Collection(murder)
