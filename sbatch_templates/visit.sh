#!/bin/bash
# One visit of cluster-doctor: Slurm runs this for each array task, as the service account.
python=@python
settings=@settings
batch=@batch
# exec: Slurm's SIGTERM, when users need the node, reaches the runner itself.
exec "$python" -I -m slurm_hooks.runner --settings "$settings" --batch "$batch"
