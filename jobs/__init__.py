"""What a person or a schedule starts. The only room that knows Ray; decides nothing about videos."""
