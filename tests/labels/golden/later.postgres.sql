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
  COALESCE("t5"."shown_at" < "t2"."horizon_end", FALSE) AS "later_exposure"
FROM "labels" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t3"."user_id",
    "t3"."item_id",
    "t3"."shown_at",
    COALESCE(
      LAG("t3"."shown_at") OVER (
        PARTITION BY "t3"."user_id", "t3"."item_id"
        ORDER BY "t3"."shown_at" ASC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ),
      CAST('0001-01-01T00:00:00+00:00' AS TIMESTAMPTZ)
    ) AS "previous"
  FROM (
    SELECT DISTINCT
      "t1"."user_id",
      "t1"."item_id",
      "t1"."t0" AS "shown_at"
    FROM "impressions" AS "t1"
  ) AS "t3"
) AS "t5"
  ON "t2"."user_id" = "t5"."user_id"
  AND "t2"."item_id" = "t5"."item_id"
  AND "t2"."t0" >= "t5"."previous"
  AND "t2"."t0" < "t5"."shown_at"
