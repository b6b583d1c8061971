SELECT
  "t2"."play_id",
  "t12"."impression_id",
  "t2"."user_id",
  "t2"."item_id",
  "t2"."played_at",
  "t12"."t0",
  COALESCE("t12"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM "plays" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t10"."play_id",
    "t10"."impression_id",
    "t10"."t0",
    "t10"."credit"
  FROM (
    SELECT
      "t9"."play_id",
      "t9"."impression_id",
      "t9"."t0",
      "t9"."surface",
      "t9"."number",
      "t9"."mask",
      "t9"."kinds",
      "t9"."alike",
      CAST(CASE
        WHEN (
          (
            "t9"."mask" * 3
          ) + "t9"."number"
        ) = 19
        THEN 274877906944
        WHEN (
          (
            "t9"."mask" * 3
          ) + "t9"."number"
        ) = 20
        THEN 824633720832
        WHEN (
          (
            "t9"."mask" * 3
          ) + "t9"."number"
        ) = 10
        THEN 1099511627776
        WHEN (
          (
            "t9"."mask" * 3
          ) + "t9"."number"
        ) = 9
        THEN 0
        ELSE CAST(ROUND(CAST(1099511627776 AS DOUBLE) / CAST("t9"."kinds" AS DOUBLE), 0) AS BIGINT)
      END AS DOUBLE) / (
        CAST("t9"."alike" AS DOUBLE) * CAST(1099511627776 AS DOUBLE)
      ) AS "credit"
    FROM (
      SELECT
        "t8"."play_id",
        "t8"."impression_id",
        "t8"."t0",
        "t8"."surface",
        "t8"."number",
        0 + (
          MAX(
            CAST(CASE
              WHEN "t8"."number" = 0
              THEN 1
              WHEN NOT (
                "t8"."number" = 0
              )
              THEN 0
              ELSE NULL
            END AS BIGINT)
          ) OVER (
            PARTITION BY "t8"."play_id"
            ORDER BY NULL ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) * 1
        ) + (
          MAX(
            CAST(CASE
              WHEN "t8"."number" = 1
              THEN 1
              WHEN NOT (
                "t8"."number" = 1
              )
              THEN 0
              ELSE NULL
            END AS BIGINT)
          ) OVER (
            PARTITION BY "t8"."play_id"
            ORDER BY NULL ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) * 2
        ) + (
          MAX(
            CAST(CASE
              WHEN "t8"."number" = 2
              THEN 1
              WHEN NOT (
                "t8"."number" = 2
              )
              THEN 0
              ELSE NULL
            END AS BIGINT)
          ) OVER (
            PARTITION BY "t8"."play_id"
            ORDER BY NULL ASC
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) * 4
        ) AS "mask",
        0 + MAX(
          CAST(CASE
            WHEN "t8"."number" = 0
            THEN 1
            WHEN NOT (
              "t8"."number" = 0
            )
            THEN 0
            ELSE NULL
          END AS BIGINT)
        ) OVER (
          PARTITION BY "t8"."play_id"
          ORDER BY NULL ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) + MAX(
          CAST(CASE
            WHEN "t8"."number" = 1
            THEN 1
            WHEN NOT (
              "t8"."number" = 1
            )
            THEN 0
            ELSE NULL
          END AS BIGINT)
        ) OVER (
          PARTITION BY "t8"."play_id"
          ORDER BY NULL ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) + MAX(
          CAST(CASE
            WHEN "t8"."number" = 2
            THEN 1
            WHEN NOT (
              "t8"."number" = 2
            )
            THEN 0
            ELSE NULL
          END AS BIGINT)
        ) OVER (
          PARTITION BY "t8"."play_id"
          ORDER BY NULL ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS "kinds",
        COUNT(*) OVER (
          PARTITION BY "t8"."play_id", "t8"."number"
          ORDER BY NULL ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS "alike"
      FROM (
        SELECT
          "t7"."play_id",
          "t7"."impression_id",
          "t7"."t0",
          "t7"."surface",
          CAST(CASE
            WHEN "t7"."surface" = 'home'
            THEN 1
            WHEN "t7"."surface" = 'mail'
            THEN 2
            ELSE 0
          END AS BIGINT) AS "number"
        FROM (
          SELECT
            "t6"."play_id",
            "t5"."impression_id",
            "t5"."t0",
            "t6"."played_at",
            "t5"."surface"
          FROM (
            SELECT
              "t1"."impression_id",
              "t1"."user_id",
              "t1"."item_id",
              "t1"."t0",
              "t1"."surface"
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
    ) AS "t9"
  ) AS "t10"
  WHERE
    "t10"."credit" > 0
) AS "t12"
  ON "t2"."play_id" = "t12"."play_id"
