"""From texts to numbers and dates: which way of writing fits a whole column, and the SQL that reads it."""
