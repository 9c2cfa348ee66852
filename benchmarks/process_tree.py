"""CPU seconds and memory of a process with all its descendants."""

import threading
from dataclasses import dataclass, field

import psutil

_EVERY_S = 0.5


@dataclass
class TreeMeter:
    """Samples the tree below `pid` twice a second until stopped.

    CPU is user plus system time; a process that ends keeps the last value seen of it, so at most
    half a second of each is lost. Memory is the sum of PSS, in which shared pages count once.
    """

    pid: int
    peak_pss: int = 0
    _cpu: dict[tuple[int, float], float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cpu_seconds(self) -> float:
        """CPU seconds of the tree since it began."""
        self._sample(memory=False)
        with self._lock:
            return sum(self._cpu.values())

    def stop(self) -> None:
        """Take no more samples."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._sample(memory=True)

    def _sample(self, *, memory: bool) -> None:
        try:
            root = psutil.Process(self.pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        pss = 0
        for process in processes:
            try:
                times = process.cpu_times()
                with self._lock:
                    self._cpu[process.pid, process.create_time()] = times.user + times.system
                if memory:
                    pss += process.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.peak_pss = max(self.peak_pss, pss)
