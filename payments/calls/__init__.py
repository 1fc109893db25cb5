"""Mutating provider calls: prepared as rows, sent by one sender, ended by answers or looks."""
