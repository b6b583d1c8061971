SELECT
  "t2"."play_id",
  "t10"."impression_id",
  "t2"."user_id",
  "t2"."item_id",
  "t2"."played_at",
  "t10"."t0",
  COALESCE("t10"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM "plays" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t8"."play_id",
    "t8"."impression_id",
    "t8"."t0",
    CAST('1' AS DOUBLE) / CAST(COUNT(*) OVER (
      PARTITION BY "t8"."play_id"
      ORDER BY NULL ASC
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS DOUBLE) AS "credit"
  FROM (
    SELECT
      "t7"."play_id",
      "t7"."impression_id",
      "t7"."t0"
    FROM (
      SELECT
        "t6"."play_id",
        "t5"."impression_id",
        "t5"."t0",
        "t6"."played_at"
      FROM (
        SELECT
          "t1"."impression_id",
          "t1"."user_id",
          "t1"."item_id",
          "t1"."t0"
        FROM "impressions" AS "t1"
      ) AS "t5"
      INNER JOIN (
        SELECT
          "t0"."play_id",
          "t0"."user_id",
          "t0"."item_id",
          "t0"."played_at",
          DATEADD(SECOND, -'86400', "t0"."played_at") AS "opens",
          DATEADD(SECOND, -'0', "t0"."played_at") AS "closes"
        FROM "plays" AS "t0"
      ) AS "t6"
        ON "t5"."user_id" = "t6"."user_id"
        AND "t5"."item_id" = "t6"."item_id"
        AND "t5"."t0" > "t6"."opens"
        AND "t5"."t0" <= "t6"."closes"
    ) AS "t7"
  ) AS "t8"
) AS "t10"
  ON "t2"."play_id" = "t10"."play_id"
