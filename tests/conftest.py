"""One compute thread a test process: the tests run side by side, and small operations do not gain from more."""

import torch

torch.set_num_threads(1)
