WITH "t5" AS (
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
  WHERE
    (
      "t0"."seconds" IS NULL
    ) OR (
      "t0"."seconds" >= CAST(5.0 AS DOUBLE)
    )
)
SELECT
  "t3"."play_id",
  "t16"."impression_id",
  "t3"."user_id",
  "t3"."item_id",
  "t3"."played_at",
  "t16"."t0",
  COALESCE("t16"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM (
  SELECT
    *
  FROM "plays" AS "t0"
  WHERE
    (
      "t0"."seconds" IS NULL
    ) OR (
      "t0"."seconds" >= CAST(5.0 AS DOUBLE)
    )
) AS "t3"
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
      "t13"."place",
      CAST('1' AS DOUBLE) AS "credit"
    FROM (
      SELECT
        "t12"."play_id",
        "t12"."impression_id",
        "t12"."t0",
        ROW_NUMBER() OVER (PARTITION BY "t12"."play_id" ORDER BY "t12"."t0" DESC, "t12"."impression_id" DESC) - 1 AS "place"
      FROM (
        SELECT
          "t11"."play_id",
          "t11"."impression_id",
          "t11"."t0"
        FROM (
          SELECT
            "t10"."play_id",
            "t6"."impression_id",
            "t6"."t0",
            "t10"."played_at"
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
            WHERE
              COALESCE("t1"."viewable", TRUE)
          ) AS "t6"
          INNER JOIN (
            SELECT
              *
            FROM "t5" AS "t7"
            UNION ALL
            SELECT
              *
            FROM (
              SELECT
                "t7"."play_id",
                "t7"."user_id",
                "t7"."item_id",
                "t7"."played_at",
                "t7"."opens",
                "t7"."closes",
                "t7"."first_stretch",
                "t7"."first_stretch" AS "stretch"
              FROM "t5" AS "t7"
              WHERE
                "t7"."first_stretch" < "t7"."stretch"
            ) AS "t8"
          ) AS "t10"
            ON "t6"."user_id" = "t10"."user_id"
            AND "t6"."item_id" = "t10"."item_id"
            AND "t6"."stretch" = "t10"."stretch"
            AND "t6"."t0" > "t10"."opens"
            AND "t6"."t0" <= "t10"."closes"
        ) AS "t11"
      ) AS "t12"
    ) AS "t13"
    WHERE
      "t13"."place" = 0
  ) AS "t14"
) AS "t16"
  ON "t3"."play_id" = "t16"."play_id"
