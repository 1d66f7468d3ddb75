"""Calendars: iCalendar and MAPI's calendar items, one made of the other, and meetings at delivery."""
