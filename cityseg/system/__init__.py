"""What Linux offers: files, locks, processes, threads, memory, GPUs; nothing of this project."""

from cityseg.system.files import (
    Stamp,
    file_stamp,
    last_objects,
    parse_object,
    read_at_most,
    read_json,
    read_regular_file,
    replacing,
    sync_folder,
    write_json,
)
from cityseg.system.gpus import FIXED_ORDER, Meter, device_key
from cityseg.system.hardware import free_bytes, this_hardware
from cityseg.system.locks import Lock, is_held
from cityseg.system.memory import keep_freed_memory
from cityseg.system.outputs import check_output_file, check_output_folder
from cityseg.system.parallel import (
    ProgressCallback,
    available_cores,
    map_in_threads,
    wait_passively,
)
from cityseg.system.processes import (
    Process,
    descendants,
    module_command,
    oom_kills,
    pids_with_variable,
    reap,
    spawn,
)

__all__ = [
    "FIXED_ORDER",
    "Lock",
    "Meter",
    "Process",
    "ProgressCallback",
    "Stamp",
    "available_cores",
    "check_output_file",
    "check_output_folder",
    "descendants",
    "device_key",
    "file_stamp",
    "free_bytes",
    "is_held",
    "keep_freed_memory",
    "last_objects",
    "map_in_threads",
    "module_command",
    "oom_kills",
    "parse_object",
    "pids_with_variable",
    "read_at_most",
    "read_json",
    "read_regular_file",
    "reap",
    "replacing",
    "spawn",
    "sync_folder",
    "this_hardware",
    "wait_passively",
    "write_json",
]
