"""One pipeline for all connections: what they send is read together, in steps."""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Union

from spacy.language import Language

from spacy_rnn.streaming.textcat_streams import TextCatStream

Piece = Union[str, bytes]
Cats = Dict[str, float]


class Job(NamedTuple):
    """A piece of a text. None in its place says that the text has ended."""

    stream: TextCatStream
    piece: Optional[Piece]
    found: "asyncio.Future[Cats]"


class Scorer:
    """Reads the pieces that have come since the last step in one step, as one batch, in a thread of
    its own, while the event loop goes on.

    nlp: A pipeline with a `textcat_lstm` that reads in one direction.
    step: How many characters are read in one step at most, but for a single longer piece.
    RAISES: ValueError for a pipeline that cannot be streamed.
    """

    def __init__(self, nlp: Language, step: int):
        self.nlp = nlp
        self.step = step
        self.streams = nlp.get_pipe("textcat_lstm").streams(nlp)  # type: ignore[attr-defined]
        self._jobs: Deque[Job] = deque()
        self._come = asyncio.Event()
        # One thread, so that steps come one after the other.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scorer")

    @property
    def waiting(self) -> int:
        """Pieces that have not been read yet."""
        return len(self._jobs)

    def open(self) -> TextCatStream:
        """Begin a text."""
        return self.streams.open()

    async def push(self, stream: TextCatStream, piece: Optional[Piece]) -> Cats:
        """Wait until a piece has been read. A stream has one piece at a time.

        piece: None ends the text.
        RETURNS: The score of each label so far.
        RAISES: ValueError for a piece that is no text.
        """
        found = asyncio.get_running_loop().create_future()
        self._jobs.append(Job(stream, piece, found))
        self._come.set()
        return await found

    async def run(self) -> None:
        """Read what comes, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._come.wait()
            jobs = self._take()
            for job, found in zip(jobs, await loop.run_in_executor(self._thread, self._read, jobs)):
                # Whoever waited for it may have gone.
                if job.found.done():
                    continue
                if isinstance(found, Exception):
                    job.found.set_exception(found)
                else:
                    job.found.set_result(found)

    def close(self) -> None:
        """Let the step that is running end, and begin no other one."""
        self._thread.shutdown()

    def _take(self) -> List[Job]:
        """The jobs of the next step, first come, first served."""
        jobs, size = [self._jobs.popleft()], 0
        while self._jobs:
            size += len(jobs[-1].piece or "")
            if size + len(self._jobs[0].piece or "") > self.step:
                return jobs
            jobs.append(self._jobs.popleft())
        self._come.clear()
        return jobs

    def _read(self, jobs: List[Job]) -> List[Any]:
        """RETURNS: For each job its scores, or the error that it had."""
        pushed = [job for job in jobs if job.piece is not None]
        ended = [job for job in jobs if job.piece is None]
        # Words that nobody has seen before are forgotten with the zone.
        with self.nlp.memory_zone():
            found = dict(zip(map(id, pushed), self._each(self._push, pushed)))
            found.update(zip(map(id, ended), self._each(self._end, ended)))
        return [found[id(job)] for job in jobs]

    def _push(self, jobs: List[Job]) -> List[Any]:
        return self.streams.push([job.stream for job in jobs], [job.piece for job in jobs])

    def _end(self, jobs: List[Job]) -> List[Any]:
        return self.streams.close([job.stream for job in jobs])

    def _each(self, read: Callable[[List[Job]], List[Any]], jobs: List[Job]) -> List[Any]:
        try:
            return read(jobs)
        except Exception as error:
            # No stream has changed. One by one, only those with an error of their own have it.
            if len(jobs) == 1:
                return [error]
            return [found for job in jobs for found in self._each(read, [job])]
