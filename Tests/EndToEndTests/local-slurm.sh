#!/usr/bin/env bash
# Runs a command with a Slurm cluster of one node on this machine, of this user's own and gone afterwards: munged, slurmctld and slurmd on
# loopback, everything in a temporary folder. Ends with 69 where they are not installed or cannot run.
#
# Usage: bash local-slurm.sh COMMAND ...
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"
for program in munged slurmctld slurmd sbatch; do command -v "$program" >/dev/null || { echo "no $program" >&2; exit 69; }; done
t="$(mktemp -d)" pids=()
# Where a test blocks signals, its children inherit that: only KILL ends them.
stop() {
    kill "${pids[@]}" 2>/dev/null || true
    sleep 0.5
    kill -KILL "${pids[@]}" 2>/dev/null || true
    rm -rf "$t"
}
trap stop EXIT
mkdir -m 700 "$t/state" "$t/spool" "$t/munge"
chmod 755 "$t"
head -c 128 /dev/urandom > "$t/munge/key"
chmod 400 "$t/munge/key"
munged --foreground --force --key-file="$t/munge/key" --socket="$t/munge.sock" --pid-file="$t/munge/pid" --log-file="$t/munge/log" \
    --seed-file="$t/munge/seed" >/dev/null 2>&1 &
pids+=($!)
host="$(hostname -s)" user="$(id -un)" port=$((20000 + RANDOM % 20000))
cat > "$t/slurm.conf" <<CONF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$t/munge.sock
StateSaveLocation=$t/state
SlurmdSpoolDir=$t/spool
SlurmctldPidFile=$t/slurmctld.pid
SlurmdPidFile=$t/slurmd.pid
SlurmctldLogFile=$t/slurmctld.log
SlurmdLogFile=$t/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
echo "IgnoreSystemd=yes" > "$t/cgroup.conf"
export SLURM_CONF="$t/slurm.conf"
for _ in {1..50}; do [[ -S "$t/munge.sock" ]] && break; sleep 0.1; done
slurmctld -D >/dev/null 2>&1 & pids+=($!)
slurmd -D >/dev/null 2>&1 & pids+=($!)
for i in {1..100}; do
    sinfo -h -o %t 2>/dev/null | grep -q idle && break
    [[ $i -lt 100 ]] || { echo "the cluster does not come up:" >&2; for log in "$t"/*.log "$t/munge/log"; do echo "$log: $(tail -n 3 "$log" 2>/dev/null)" >&2; done; exit 69; }
    sleep 0.1
done
"$@"
