from .config import Config as Config
from .connection import Connection as Connection
from .executor import Executor as Executor
from .group import Group as Group, SerialGroup as SerialGroup, ThreadingGroup as ThreadingGroup
from .tasks import Task as Task, task as task
