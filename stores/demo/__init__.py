"""`reactive-ws demo`: a chat whose server is killed in the middle, and a judge that looks for lost messages.

Three processes. The client is this one; the hub is a child, killed with SIGKILL while at least 20 messages are
unacknowledged and an answer is half streamed; the judge is a child that trusts no other process and reads their files.

    record       the client's write-ahead record
    screen       the state that a client shows, as a file
    ruling       compares record, data file and screens: messages lost, duplicated or out of order
    judge        the judge's process; also the second client, which starts with an empty memory
    hub_child    the hub in a child process: start, kill, start again on the same port
    narrator     one line per state change and message
    play         the client: talks, has the hub killed, goes on talking, waits for all answers
    outcome      the ruling as lines of text
    performance  one run, from the first connection to the ruling
    chat_view    the contents and actions of a chat window, without a toolkit
    question     the dialog before messages are lost (Textual)
    chat         the chat in a terminal (Textual)
    terminal     the demo's screen: the chat, the queue, the hub and the ruling (Textual)
    command      arguments, children, exit code
"""

from .command import command

__all__ = ["command"]
