"""`vmamba::SelectiveScan`: the selective scan along routes over a map or a sequence."""
