"""The pages: each module draws one, by its `show()`.

`main.py`, the script of every session, lies in the same folder as they do: beside a folder called
`pages` Streamlit would take each file in it for an application of its own, without navigation.
"""
