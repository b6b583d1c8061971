SELECT
  "t2"."user_id",
  "t2"."item_id",
  "t2"."t0",
  "t2"."horizon_end",
  "t2"."treatment",
  "t2"."outcome",
  "t2"."label_kind",
  "t2"."sampling_weight",
  "t2"."censoring_weight",
  "t2"."analysis_weight",
  COALESCE("t8"."later_next" < "t2"."horizon_end", FALSE) AS "later_exposure"
FROM "labels" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t6"."user_id",
    "t6"."item_id",
    "t6"."t0",
    "t6"."later_next"
  FROM (
    SELECT
      "t5"."user_id",
      "t5"."item_id",
      "t5"."t0",
      "t5"."later_is_row",
      "t5"."later_shown_at",
      MIN("t5"."later_shown_at") OVER (
        PARTITION BY "t5"."user_id", "t5"."item_id"
        ORDER BY "t5"."t0" DESC NULLS LAST, "t5"."later_is_row" DESC NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
      ) AS "later_next"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t0"."user_id",
          "t0"."item_id",
          "t0"."t0",
          1 AS "later_is_row",
          CAST(NULL AS TIMESTAMPTZ) AS "later_shown_at"
        FROM "labels" AS "t0"
      ) AS "t3"
      UNION ALL
      SELECT
        *
      FROM (
        SELECT
          "t1"."user_id",
          "t1"."item_id",
          "t1"."t0",
          0 AS "later_is_row",
          "t1"."t0" AS "later_shown_at"
        FROM "impressions" AS "t1"
      ) AS "t4"
    ) AS "t5"
  ) AS "t6"
  WHERE
    "t6"."later_is_row" = 1
) AS "t8"
  ON "t2"."user_id" = "t8"."user_id"
  AND "t2"."item_id" = "t8"."item_id"
  AND "t2"."t0" = "t8"."t0"
