WITH "t5" AS (
  SELECT
    "t0"."play_id",
    "t0"."user_id",
    "t0"."item_id",
    "t0"."played_at",
    DATEADD(SECOND, -'86400', "t0"."played_at") AS "opens",
    DATEADD(SECOND, -'1', "t0"."played_at") AS "closes",
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
            CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', DATEADD(SECOND, -'1', "t0"."played_at"))) AS BIGINT)
          ) / (
            3600
          )
        ) AS BIGINT)
      ) / (
        24
      )
    ) AS BIGINT) AS "stretch"
  FROM "plays" AS "t0"
), "t6" AS (
  SELECT
    "t0"."play_id",
    "t0"."user_id",
    "t0"."item_id",
    "t0"."played_at",
    DATEADD(SECOND, -'7200', "t0"."played_at") AS "opens",
    DATEADD(SECOND, -'0', "t0"."played_at") AS "closes",
    CAST(FLOOR(
      (
        CAST(FLOOR(
          (
            CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', DATEADD(SECOND, -'7200', "t0"."played_at"))) AS BIGINT)
          ) / (
            3600
          )
        ) AS BIGINT)
      ) / (
        2
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
        2
      )
    ) AS BIGINT) AS "stretch"
  FROM "plays" AS "t0"
)
SELECT
  "t2"."play_id",
  "t25"."impression_id",
  "t2"."user_id",
  "t2"."item_id",
  "t2"."played_at",
  "t25"."t0",
  COALESCE("t25"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM "plays" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t23".*
    EXCLUDE ("place")
  FROM (
    SELECT
      "t22"."play_id",
      "t22"."impression_id",
      "t22"."t0",
      "t22"."place",
      CAST('1' AS DOUBLE) AS "credit"
    FROM (
      SELECT
        "t21"."play_id",
        "t21"."impression_id",
        "t21"."t0",
        ROW_NUMBER() OVER (
          PARTITION BY "t21"."play_id"
          ORDER BY "t21"."t0" DESC NULLS LAST, "t21"."impression_id" DESC NULLS LAST
        ) - 1 AS "place"
      FROM (
        SELECT
          *
        FROM (
          SELECT
            "t17"."play_id",
            "t17"."impression_id",
            "t17"."t0"
          FROM (
            SELECT
              "t15"."play_id",
              "t7"."impression_id",
              "t7"."t0",
              "t15"."played_at"
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
            ) AS "t7"
            INNER JOIN (
              SELECT
                *
              FROM "t5" AS "t9"
              UNION ALL
              SELECT
                *
              FROM (
                SELECT
                  "t9"."play_id",
                  "t9"."user_id",
                  "t9"."item_id",
                  "t9"."played_at",
                  "t9"."opens",
                  "t9"."closes",
                  "t9"."first_stretch",
                  "t9"."first_stretch" AS "stretch"
                FROM "t5" AS "t9"
                WHERE
                  "t9"."first_stretch" < "t9"."stretch"
              ) AS "t11"
            ) AS "t15"
              ON "t7"."user_id" = "t15"."user_id"
              AND "t7"."item_id" = "t15"."item_id"
              AND "t7"."stretch" = "t15"."stretch"
              AND "t7"."t0" > "t15"."opens"
              AND "t7"."t0" <= "t15"."closes"
          ) AS "t17"
        ) AS "t19"
        UNION
        SELECT
          *
        FROM (
          SELECT
            "t18"."play_id",
            "t18"."impression_id",
            "t18"."t0"
          FROM (
            SELECT
              "t16"."play_id",
              "t8"."impression_id",
              "t8"."t0",
              "t16"."played_at"
            FROM (
              SELECT
                "t1"."impression_id",
                "t1"."user_id",
                "t1"."item_id",
                "t1"."t0",
                "t1"."clicked_at",
                CAST(FLOOR(
                  (
                    CAST(FLOOR(
                      (
                        CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', "t1"."clicked_at")) AS BIGINT)
                      ) / (
                        3600
                      )
                    ) AS BIGINT)
                  ) / (
                    2
                  )
                ) AS BIGINT) AS "stretch"
              FROM "impressions" AS "t1"
              WHERE
                "t1"."clicked_at" IS NOT NULL
            ) AS "t8"
            INNER JOIN (
              SELECT
                *
              FROM "t6" AS "t10"
              UNION ALL
              SELECT
                *
              FROM (
                SELECT
                  "t10"."play_id",
                  "t10"."user_id",
                  "t10"."item_id",
                  "t10"."played_at",
                  "t10"."opens",
                  "t10"."closes",
                  "t10"."first_stretch",
                  "t10"."first_stretch" AS "stretch"
                FROM "t6" AS "t10"
                WHERE
                  "t10"."first_stretch" < "t10"."stretch"
              ) AS "t12"
            ) AS "t16"
              ON "t8"."user_id" = "t16"."user_id"
              AND "t8"."item_id" = "t16"."item_id"
              AND "t8"."stretch" = "t16"."stretch"
              AND "t8"."clicked_at" > "t16"."opens"
              AND "t8"."clicked_at" <= "t16"."closes"
          ) AS "t18"
          WHERE
            "t18"."t0" <= DATEADD(SECOND, -'1', "t18"."played_at")
        ) AS "t20"
      ) AS "t21"
    ) AS "t22"
    WHERE
      "t22"."place" = 0
  ) AS "t23"
) AS "t25"
  ON "t2"."play_id" = "t25"."play_id"
