from __future__ import annotations

import os
import socket
import threading

from nascence.watching import end_with


def test_it_ends_when_the_other_end_is_gone_and_not_before() -> None:
    for here, there in (socket.socketpair(), (os.pipe())):
        ended = threading.Event()
        descriptor = here if isinstance(here, int) else here.fileno()
        end_with(descriptor, ended.set)
        if isinstance(there, int):
            os.write(there, b"unread")
            assert not ended.wait(0.05)
            os.close(there)
            assert ended.wait(30)
            os.close(descriptor)
        else:
            there.send(b"unread")
            assert not ended.wait(0.05)
            there.close()
            assert ended.wait(30)
            here.close()


def test_a_writer_learns_that_the_reader_is_gone() -> None:
    reader, writer = os.pipe()
    ended = threading.Event()
    end_with(writer, ended.set)
    assert not ended.wait(0.05)
    os.close(reader)
    assert ended.wait(30)
    os.close(writer)
