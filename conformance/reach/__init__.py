"""How far programs reach: which situations of each op, and which conjunctions of steps, they have been in.

What is never drawn is never found, so it is counted. `op_cells` and `step_cells` say what is distinguished, `reached`
counts it, `possible` says what there is to reach. Imports `ops` and `language`.
"""
