"""Membership audit of a synthesis run: can its training patients be told from others?"""
