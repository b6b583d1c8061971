"""Serving: published models, the lists they give, and what is written down of them.

================== ===============================================================================
a model            `bundle` and its parts: `files`, `manifest`, `model`, `width`, `schema`, `trees`
features           `store` says what a store answers; `snapshot` (with `tables`, `index`, `mapped`,
                   `csr`, `candidates`), `redis_store`, `redis_keys` and `redis_push`; `assembly`
                   and `moment` make a matrix of them, `sides` what rules read
many models        `registry`, `promotions`, `verify` and its child `probe`, `lock`, `replace`
one list           `asked`, `ranking`, `adapter` (in process, without a deadline), `counts`
the service        `service`, `config`; `intake`, `deadline`, `breaker`, `live`, `shadow`, `slate`,
                   `recording`, `explain`, `metrics`
around it          `wire` (what goes over HTTP), `app`, `serve`, `http/`, `page/`
what is kept       `decisions/` writes, compacts and erases; `forget` erases everywhere
================== ===============================================================================

Not here: training (a serving process imports no DuckDB, Ibis, EconML or CausalML, and Arrow for
compaction alone), policies and draws (`causal_ranker.reranking`), and what goes into a model
(`causal_ranker.chain.publish`).
"""
