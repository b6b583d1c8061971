WITH "t4" AS (
  SELECT
    "t0"."play_id",
    "t0"."user_id",
    "t0"."item_id",
    "t0"."played_at",
    "t0"."played_at" - INTERVAL '86400 SECOND' AS "opens",
    "t0"."played_at" - INTERVAL '0 SECOND' AS "closes",
    CAST(FLOOR(
      CAST((
        CAST(FLOOR(
          CAST((
            CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t0"."played_at" - INTERVAL '86400 SECOND')) AS BIGINT)
          ) AS DOUBLE PRECISION) / (
            3600
          )
        ) AS BIGINT)
      ) AS DOUBLE PRECISION) / (
        24
      )
    ) AS BIGINT) AS "first_stretch",
    CAST(FLOOR(
      CAST((
        CAST(FLOOR(
          CAST((
            CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t0"."played_at" - INTERVAL '0 SECOND')) AS BIGINT)
          ) AS DOUBLE PRECISION) / (
            3600
          )
        ) AS BIGINT)
      ) AS DOUBLE PRECISION) / (
        24
      )
    ) AS BIGINT) AS "stretch"
  FROM "plays" AS "t0"
)
SELECT
  "t2"."play_id",
  "t16"."impression_id",
  "t2"."user_id",
  "t2"."item_id",
  "t2"."played_at",
  "t16"."t0",
  COALESCE("t16"."credit", CAST(1 AS DOUBLE PRECISION)) AS "credit"
FROM "plays" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t14"."play_id",
    "t14"."impression_id",
    "t14"."t0",
    "t14"."credit"
  FROM (
    SELECT
      "t13"."play_id",
      "t13"."impression_id",
      "t13"."t0",
      "t13"."age",
      "t13"."share",
      CAST("t13"."share" AS DOUBLE PRECISION) / CAST(SUM("t13"."share") OVER (
        PARTITION BY "t13"."play_id"
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS DOUBLE PRECISION) AS "credit"
    FROM (
      SELECT
        "t12"."play_id",
        "t12"."impression_id",
        "t12"."t0",
        "t12"."age",
        CAST(ROUND(
          POW(2.0, GREATEST(40 - (
            CAST("t12"."age" AS DOUBLE PRECISION) / 43200.0
          ), 0.0))
        ) AS BIGINT) AS "share"
      FROM (
        SELECT
          "t11"."play_id",
          "t11"."impression_id",
          "t11"."t0",
          MAX(CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t11"."t0")) AS DOUBLE PRECISION)) OVER (
            PARTITION BY "t11"."play_id"
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
          ) - CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t11"."t0")) AS DOUBLE PRECISION) AS "age"
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
                  CAST((
                    CAST(FLOOR(
                      CAST((
                        CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t1"."t0")) AS BIGINT)
                      ) AS DOUBLE PRECISION) / (
                        3600
                      )
                    ) AS BIGINT)
                  ) AS DOUBLE PRECISION) / (
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
  ) AS "t14"
) AS "t16"
  ON "t2"."play_id" = "t16"."play_id"
