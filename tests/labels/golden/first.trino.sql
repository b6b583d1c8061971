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
  "t18"."impression_id",
  "t2"."user_id",
  "t2"."item_id",
  "t2"."played_at",
  "t18"."t0",
  COALESCE("t18"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM "plays" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t16"."play_id",
    "t16"."impression_id",
    "t16"."t0",
    "t16"."credit"
  FROM (
    SELECT
      "t15"."play_id",
      "t15"."impression_id",
      "t15"."t0",
      "t15"."place",
      CAST('1' AS DOUBLE) AS "credit"
    FROM (
      SELECT
        "t14"."play_id",
        "t14"."impression_id",
        "t14"."t0",
        ROW_NUMBER() OVER (PARTITION BY "t14"."play_id" ORDER BY "t14"."t0" ASC, "t14"."impression_id" ASC) - 1 AS "place"
      FROM (
        SELECT
          "t13"."play_id",
          "t13"."impression_id",
          "t13"."t0"
        FROM (
          SELECT
            "t10"."play_id",
            "t12"."impression_id",
            "t12"."t0",
            "t10"."played_at"
          FROM (
            SELECT
              "t7"."impression_id",
              "t7"."user_id",
              "t7"."item_id",
              "t7"."t0",
              CAST(FLOOR(
                CAST((
                  CAST(FLOOR(
                    CAST((
                      CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t7"."t0")) AS BIGINT)
                    ) AS DOUBLE) / (
                      3600
                    )
                  ) AS BIGINT)
                ) AS DOUBLE) / (
                  24
                )
              ) AS BIGINT) AS "stretch"
            FROM (
              SELECT
                "t5"."impression_id",
                "t5"."user_id",
                "t5"."item_id",
                "t5"."t0",
                "t5"."viewable",
                "t5"."viewable_ms",
                "t5"."surface",
                "t5"."clicked_at"
              FROM (
                SELECT
                  *
                FROM (
                  SELECT
                    "t1"."impression_id",
                    "t1"."user_id",
                    "t1"."item_id",
                    "t1"."t0",
                    "t1"."viewable",
                    "t1"."viewable_ms",
                    "t1"."surface",
                    "t1"."clicked_at",
                    ROW_NUMBER() OVER (
                      PARTITION BY "t1"."user_id", "t1"."item_id", "t1"."t0"
                      ORDER BY "t1"."t0" ASC, "t1"."impression_id" ASC
                    ) - 1 AS "place"
                  FROM "impressions" AS "t1"
                ) AS "t3"
                WHERE
                  "t3"."place" = 0
              ) AS "t5"
            ) AS "t7"
          ) AS "t12"
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
            ) AS "t8"
          ) AS "t10"
            ON "t12"."user_id" = "t10"."user_id"
            AND "t12"."item_id" = "t10"."item_id"
            AND "t12"."stretch" = "t10"."stretch"
            AND "t12"."t0" > "t10"."opens"
            AND "t12"."t0" <= "t10"."closes"
        ) AS "t13"
      ) AS "t14"
    ) AS "t15"
    WHERE
      "t15"."place" = 0
  ) AS "t16"
) AS "t18"
  ON "t2"."play_id" = "t18"."play_id"
