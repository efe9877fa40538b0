"""Moving pictures: frames in, flow between them, frames painted one after another, a file out."""
