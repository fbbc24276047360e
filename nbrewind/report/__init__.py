"""What a person reads: tables and lines made from values of the layers below. Text now; it imports no kernel."""
