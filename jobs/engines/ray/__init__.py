"""The engine on Ray: worker processes that can be killed, on one machine or many."""
