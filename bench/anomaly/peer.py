"""scikit-learn's side, and the reader of .npz files. One JSON object a line: peer.py dump SET.npz OUT | auc SET.npz TREES SEED... | time COLUMNS.f64 DIMENSIONS JOBS"""
import json
import sys
import time

import numpy
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score


def forest(seed, trees=100, jobs=None):
    return IsolationForest(n_estimators=trees, max_samples=256, random_state=seed, n_jobs=jobs)


def dump(path, out):
    """X column after column, then y, as little-endian doubles."""
    data = numpy.load(path)
    x, y = data["X"].astype("<f8"), data["y"].astype("<f8")
    with open(out, "wb") as file:
        file.write(x.T.tobytes())
        file.write(y.tobytes())
    return {"rows": x.shape[0], "dimensions": x.shape[1], "anomalies": int(y.sum())}


def auc(path, trees, *seeds):
    data = numpy.load(path)
    x, y = data["X"], data["y"]
    return {"auc": [float(roc_auc_score(y, -forest(int(seed), int(trees)).fit(x).score_samples(x))) for seed in seeds]}


def timed(path, dimensions, jobs):
    x = numpy.ascontiguousarray(numpy.fromfile(path, dtype="<f8").reshape(int(dimensions), -1).T)
    started = time.perf_counter()
    forest(1, jobs=int(jobs)).fit(x).score_samples(x)
    return {"milliseconds": (time.perf_counter() - started) * 1000, "version": sklearn.__version__}


if __name__ == "__main__":
    print(json.dumps({"dump": dump, "auc": auc, "time": timed}[sys.argv[1]](*sys.argv[2:])))
