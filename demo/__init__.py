"""The four procedures between real SIP phones, to look at."""
