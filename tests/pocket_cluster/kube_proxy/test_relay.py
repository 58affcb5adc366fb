"""A relayed connection behaves as one without a relay between."""

import asyncio
import contextlib
import hashlib
import os
import socket
import struct
from pathlib import Path

import pytest
from eventually import eventually_async

from pocket_cluster.kube_proxy.relay import HIGH_WATER, Visitor

HOST = "127.0.0.1"
MEGABYTE = 2**20


@contextlib.asynccontextmanager
async def relayed(serve):
    """The address of a relay to a pod that does ``await serve(reader, writer)``."""
    pod = await asyncio.start_server(serve, HOST, 0)
    keep_little_unread(pod)
    async with relay_to(pod.sockets[0].getsockname()) as address:
        try:
            yield address
        finally:
            pod.close()


@contextlib.asynccontextmanager
async def relay_to(pod_address):
    server = await asyncio.get_running_loop().create_server(lambda: Visitor(lambda _: pod_address), HOST, 0)
    keep_little_unread(server)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


def keep_little_unread(server) -> None:
    """Else the kernel may keep tens of megabytes for a connection that nobody reads (net.ipv4.tcp_rmem)."""
    for listener in server.sockets:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HIGH_WATER)


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def reset_on_close(writer) -> None:
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def upper_at_end(reader, writer):
    """Says nothing before it has heard all."""
    writer.write((await reader.read()).upper())
    writer.close()


def test_a_visitor_who_has_finished_talking_still_hears_the_answer(run):
    async def scenario():
        async with relayed(upper_at_end) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"hello")
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            return answer

    assert run(scenario()) == b"HELLO"


def test_a_pod_that_has_finished_talking_still_hears_the_visitor(run):
    async def scenario():
        heard = asyncio.get_running_loop().create_future()

        async def says_bye(reader, writer):
            writer.write(b"bye")
            writer.write_eof()
            heard.set_result(await reader.read())
            writer.close()

        async with relayed(says_bye) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b"bye"
            writer.write(b"wait, one more thing")
            writer.close()
            return await heard

    assert run(scenario()) == b"wait, one more thing"


@pytest.mark.parametrize("who_ends_first", ["visitor", "pod"])
def test_nothing_stays_open_when_both_sides_have_ended(run, who_ends_first):
    async def scenario():
        async def pod(reader, writer):
            if who_ends_first == "visitor":
                await reader.read()
            writer.close()

        async with relayed(pod) as address:
            before = open_files()
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*address)
                if who_ends_first == "pod":
                    await reader.read()
                writer.close()
            await eventually_async(open_files, "no file is left open", so=lambda number: number <= before)

    run(scenario())


def test_fifty_megabytes_arrive_whole_and_a_slow_reader_slows_the_writer_down(run):
    content = os.urandom(MEGABYTE) * 50

    async def scenario():
        may_read = asyncio.Event()
        digest = asyncio.get_running_loop().create_future()

        async def slow(reader, writer):
            await may_read.wait()
            found = hashlib.sha256()
            while data := await reader.read(MEGABYTE):
                found.update(data)
            digest.set_result(found.digest())
            writer.close()

        async with relayed(slow) as address:
            _, writer = await asyncio.open_connection(*address)
            writer.transport.set_write_buffer_limits(0)
            sent = await send_until_stuck(writer, content)
            # what lies between is the kernel's buffers and the relay's: never the whole
            assert sent < 30 * MEGABYTE
            may_read.set()
            writer.write(content[sent:])
            writer.write_eof()
            received = await digest
            writer.close()
            return received

    assert run(scenario()) == hashlib.sha256(content).digest()


async def send_until_stuck(writer, content) -> int:
    """Write until the other side takes no more; how much was written."""
    sent, step = 0, HIGH_WATER
    with contextlib.suppress(TimeoutError):
        while sent < len(content):
            writer.write(content[sent : sent + step])
            sent += step
            await asyncio.wait_for(writer.drain(), 0.5)
    return sent


def test_fifty_megabytes_come_back_to_a_visitor_who_reads_slowly(run):
    content = os.urandom(MEGABYTE) * 50

    async def scenario():
        async def generous(reader, writer):
            writer.write(content)
            await writer.drain()
            writer.close()

        async with relayed(generous) as address:
            reader, writer = await asyncio.open_connection(*address, limit=HIGH_WATER)
            found = hashlib.sha256()
            while data := await reader.read(MEGABYTE):
                found.update(data)
            writer.close()
            return found.digest()

    assert run(scenario()) == hashlib.sha256(content).digest()


def test_a_pod_that_does_not_listen_gets_the_visitor_a_reset_and_no_other_pod_is_tried(run):
    async def scenario():
        asked = []
        with socket.socket() as nobody:
            nobody.bind((HOST, 0))  # bound but not listening: refuses
            address_of_pod = nobody.getsockname()
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: Visitor(lambda who: asked.append(who) or address_of_pod), HOST, 0)
            with pytest.raises(ConnectionResetError):
                await one_word(server.sockets[0].getsockname())
            server.close()
        return asked

    assert run(scenario()) == [HOST]


async def one_word(address) -> bytes:
    """Connect, say something, and hear until the end."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(b"hello")
        return await reader.read()
    finally:
        writer.close()


def test_without_any_pod_the_visitor_gets_a_reset(run):
    async def scenario():
        async with relay_to(None) as address:
            with pytest.raises(ConnectionResetError):
                await one_word(address)

    run(scenario())


def test_a_reset_by_the_pod_is_a_reset_for_the_visitor(run):
    async def scenario():
        async def crashes(reader, writer):
            await reader.read(1)
            reset_on_close(writer)

        async with relayed(crashes) as address:
            with pytest.raises(ConnectionResetError):
                await one_word(address)

    run(scenario())


def test_a_reset_by_the_visitor_is_a_reset_for_the_pod(run):
    async def scenario():
        loop = asyncio.get_running_loop()
        is_heard, outcome = asyncio.Event(), loop.create_future()

        async def listens(reader, writer):
            await reader.readexactly(2)
            is_heard.set()
            try:
                outcome.set_result(await reader.read())
            except ConnectionResetError as error:
                outcome.set_result(type(error))
            writer.close()

        async with relayed(listens) as address:
            _, writer = await asyncio.open_connection(*address)
            writer.write(b"he")
            await is_heard.wait()
            reset_on_close(writer)
            return await outcome

    assert run(scenario()) is ConnectionResetError


def test_what_is_said_before_the_pod_answers_is_not_lost(run):
    """A raw socket has sent everything, its end too, before the relay's loop runs at all."""

    async def scenario():
        async with relayed(upper_at_end) as address:
            with socket.create_connection(address) as visitor:
                visitor.sendall(b"early " * 1000)
                visitor.shutdown(socket.SHUT_WR)
                visitor.setblocking(False)
                answer = b""
                while data := await asyncio.get_running_loop().sock_recv(visitor, MEGABYTE):
                    answer += data
                return answer

    assert run(scenario()) == b"EARLY " * 1000
