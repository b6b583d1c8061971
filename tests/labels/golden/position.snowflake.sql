WITH "t4" AS (
  SELECT
    "t0"."play_id",
    "t0"."user_id",
    "t0"."item_id",
    "t0"."played_at",
    DATEADD(SECOND, -'86400', "t0"."played_at") AS "opens",
    DATEADD(SECOND, -'0', "t0"."played_at") AS "closes",
    CAST(FLOOR(
      (
        CAST(FLOOR(
          (
            CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', DATEADD(SECOND, -'86400', "t0"."played_at"))) AS BIGINT)
          ) / (
            3600
          )
        ) AS BIGINT)
      ) / (
        24
      )
    ) AS BIGINT) AS "first_stretch",
    CAST(FLOOR(
      (
        CAST(FLOOR(
          (
            CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', DATEADD(SECOND, -'0', "t0"."played_at"))) AS BIGINT)
          ) / (
            3600
          )
        ) AS BIGINT)
      ) / (
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
    *
  FROM (
    SELECT
      "t12"."play_id",
      "t12"."impression_id",
      "t12"."t0",
      CASE
        WHEN "t12"."touches" = 1
        THEN CAST('1' AS DOUBLE)
        WHEN "t12"."touches" = 2
        THEN IFF("t12"."place" = 0, CAST('0.5' AS DOUBLE), CAST('0.5' AS DOUBLE))
        ELSE CASE
          WHEN "t12"."place" = 0
          THEN CAST('0.4' AS DOUBLE)
          WHEN "t12"."place" = (
            "t12"."touches" - 1
          )
          THEN CAST('0.4' AS DOUBLE)
          ELSE CAST('0.19999999999999996' AS DOUBLE) / CAST(GREATEST("t12"."touches" - 2, 1) AS DOUBLE)
        END
      END AS "credit"
    FROM (
      SELECT
        "t11"."play_id",
        "t11"."impression_id",
        "t11"."t0",
        ROW_NUMBER() OVER (PARTITION BY "t11"."play_id" ORDER BY "t11"."t0" ASC, "t11"."impression_id" ASC) - 1 AS "place",
        COUNT(*) OVER (
          PARTITION BY "t11"."play_id"
          ORDER BY NULL ASC
          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS "touches"
      FROM (
        SELECT
          "t10"."play_id",
          "t10"."impression_id",
          "t10"."t0"
        FROM (
          SELECT
            "t9"."play_id",
            "t5"."impression_id",
            "t5"."t0",
            "t9"."played_at"
          FROM (
            SELECT
              "t1"."impression_id",
              "t1"."user_id",
              "t1"."item_id",
              "t1"."t0",
              CAST(FLOOR(
                (
                  CAST(FLOOR(
                    (
                      CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', "t1"."t0")) AS BIGINT)
                    ) / (
                      3600
                    )
                  ) AS BIGINT)
                ) / (
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
