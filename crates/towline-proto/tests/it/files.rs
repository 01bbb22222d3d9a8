//! Read, Write, Edit's splice, Stat and List.
