"""`reactive-ws demo`: a chat whose server is killed in the middle, and a judge that looks for lost messages.

Three processes. The client is this one; the hub is a child, killed with SIGKILL while at least 20 messages are
unacknowledged and an answer is half streamed; the judge is a child that trusts no other process and reads their files.

    command      arguments, children, exit code
    performance  from the first connection to the verdict
    play         the client: talks, has the hub killed, goes on talking, waits until all is answered
    narrator     one line per state change and message
    stage        whether there can be a screen; terminal: that screen; chat: the Textual chat it is made of
    chat_view    the contents of a chat window, without a toolkit; question: the dialog before messages are lost
    outcome      how it ended, in lines
    record       the client's write-ahead record
    hub_child    the hub in a child process: start, kill, start again on the same port
    screen       what a client is shown, as a file
    judge        record, data file and screens -> verdict; also the second client, with an empty memory
"""

from .command import command

__all__ = ["command"]
