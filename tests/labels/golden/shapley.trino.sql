WITH "t4" AS (
  SELECT
    "t0"."play_id",
    "t0"."user_id",
    "t0"."item_id",
    "t0"."played_at",
    "t0"."played_at" - INTERVAL '86400' SECOND AS "opens",
    "t0"."played_at" - INTERVAL '0' SECOND AS "closes",
    CAST(FLOOR(
      CAST((
        CAST(FLOOR(
          CAST((
            CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t0"."played_at" - INTERVAL '86400' SECOND)) AS BIGINT)
          ) AS DOUBLE) / (
            3600
          )
        ) AS BIGINT)
      ) AS DOUBLE) / (
        24
      )
    ) AS BIGINT) AS "first_stretch",
    CAST(FLOOR(
      CAST((
        CAST(FLOOR(
          CAST((
            CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t0"."played_at" - INTERVAL '0' SECOND)) AS BIGINT)
          ) AS DOUBLE) / (
            3600
          )
        ) AS BIGINT)
      ) AS DOUBLE) / (
        24
      )
    ) AS BIGINT) AS "stretch"
  FROM "plays" AS "t0"
)
SELECT
  "t2"."play_id",
  "t15"."impression_id",
  "t2"."user_id",
  "t2"."item_id",
  "t2"."played_at",
  "t15"."t0",
  COALESCE("t15"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM "plays" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t13"."play_id",
    "t13"."impression_id",
    "t13"."t0",
    "t13"."credit"
  FROM (
    SELECT
      "t12"."play_id",
      "t12"."impression_id",
      "t12"."t0",
      "t12"."surface",
      "t12"."number",
      "t12"."mask",
      "t12"."kinds",
      "t12"."alike",
      CAST(CASE
        WHEN (
          (
            "t12"."mask" * 3
          ) + "t12"."number"
        ) = 19
        THEN 274877906944
        WHEN (
          (
            "t12"."mask" * 3
          ) + "t12"."number"
        ) = 20
        THEN 824633720832
        WHEN (
          (
            "t12"."mask" * 3
          ) + "t12"."number"
        ) = 10
        THEN 1099511627776
        WHEN (
          (
            "t12"."mask" * 3
          ) + "t12"."number"
        ) = 9
        THEN 0
        ELSE CAST(ROUND(CAST(1099511627776 AS DOUBLE) / CAST("t12"."kinds" AS DOUBLE), 0) AS BIGINT)
      END AS DOUBLE) / (
        CAST("t12"."alike" AS DOUBLE) * CAST(1099511627776 AS DOUBLE)
      ) AS "credit"
    FROM (
      SELECT
        "t11"."play_id",
        "t11"."impression_id",
        "t11"."t0",
        "t11"."surface",
        "t11"."number",
        0 + (
          MAX(
            CAST(CASE
              WHEN "t11"."number" = 0
              THEN 1
              WHEN NOT (
                "t11"."number" = 0
              )
              THEN 0
              ELSE NULL
            END AS BIGINT)
          ) OVER (
            PARTITION BY "t11"."play_id"
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) * 1
        ) + (
          MAX(
            CAST(CASE
              WHEN "t11"."number" = 1
              THEN 1
              WHEN NOT (
                "t11"."number" = 1
              )
              THEN 0
              ELSE NULL
            END AS BIGINT)
          ) OVER (
            PARTITION BY "t11"."play_id"
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) * 2
        ) + (
          MAX(
            CAST(CASE
              WHEN "t11"."number" = 2
              THEN 1
              WHEN NOT (
                "t11"."number" = 2
              )
              THEN 0
              ELSE NULL
            END AS BIGINT)
          ) OVER (
            PARTITION BY "t11"."play_id"
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) * 4
        ) AS "mask",
        0 + MAX(
          CAST(CASE
            WHEN "t11"."number" = 0
            THEN 1
            WHEN NOT (
              "t11"."number" = 0
            )
            THEN 0
            ELSE NULL
          END AS BIGINT)
        ) OVER (
          PARTITION BY "t11"."play_id"
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) + MAX(
          CAST(CASE
            WHEN "t11"."number" = 1
            THEN 1
            WHEN NOT (
              "t11"."number" = 1
            )
            THEN 0
            ELSE NULL
          END AS BIGINT)
        ) OVER (
          PARTITION BY "t11"."play_id"
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) + MAX(
          CAST(CASE
            WHEN "t11"."number" = 2
            THEN 1
            WHEN NOT (
              "t11"."number" = 2
            )
            THEN 0
            ELSE NULL
          END AS BIGINT)
        ) OVER (
          PARTITION BY "t11"."play_id"
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS "kinds",
        COUNT(*) OVER (
          PARTITION BY "t11"."play_id", "t11"."number"
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS "alike"
      FROM (
        SELECT
          "t10"."play_id",
          "t10"."impression_id",
          "t10"."t0",
          "t10"."surface",
          CAST(CASE
            WHEN "t10"."surface" = 'home'
            THEN 1
            WHEN "t10"."surface" = 'mail'
            THEN 2
            ELSE 0
          END AS BIGINT) AS "number"
        FROM (
          SELECT
            "t9"."play_id",
            "t5"."impression_id",
            "t5"."t0",
            "t9"."played_at",
            "t5"."surface"
          FROM (
            SELECT
              "t1"."impression_id",
              "t1"."user_id",
              "t1"."item_id",
              "t1"."t0",
              "t1"."surface",
              CAST(FLOOR(
                CAST((
                  CAST(FLOOR(
                    CAST((
                      CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t1"."t0")) AS BIGINT)
                    ) AS DOUBLE) / (
                      3600
                    )
                  ) AS BIGINT)
                ) AS DOUBLE) / (
                  24
                )
              ) AS BIGINT) AS "stretch"
            FROM "impressions" AS "t1"
          ) AS "t5"
          INNER JOIN (
            SELECT
              *
            FROM "t4" AS "t6"
            UNION ALL
            SELECT
              *
            FROM (
              SELECT
                "t6"."play_id",
                "t6"."user_id",
                "t6"."item_id",
                "t6"."played_at",
                "t6"."opens",
                "t6"."closes",
                "t6"."first_stretch",
                "t6"."first_stretch" AS "stretch"
              FROM "t4" AS "t6"
              WHERE
                "t6"."first_stretch" < "t6"."stretch"
            ) AS "t7"
          ) AS "t9"
            ON "t5"."user_id" = "t9"."user_id"
            AND "t5"."item_id" = "t9"."item_id"
            AND "t5"."stretch" = "t9"."stretch"
            AND "t5"."t0" > "t9"."opens"
            AND "t5"."t0" <= "t9"."closes"
        ) AS "t10"
      ) AS "t11"
    ) AS "t12"
  ) AS "t13"
  WHERE
    "t13"."credit" > 0
) AS "t15"
  ON "t2"."play_id" = "t15"."play_id"
