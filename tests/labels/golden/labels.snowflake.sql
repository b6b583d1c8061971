WITH "t16" AS (
  SELECT
    "t3"."play_id",
    "t3"."user_id",
    "t3"."item_id",
    "t3"."played_at",
    DATEADD(SECOND, -'86400', "t3"."played_at") AS "opens",
    DATEADD(SECOND, -'0', "t3"."played_at") AS "closes",
    CAST(FLOOR(
      (
        CAST(FLOOR(
          (
            CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', DATEADD(SECOND, -'86400', "t3"."played_at"))) AS BIGINT)
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
            CAST(DATE_PART('epoch', DATE_TRUNC('SECOND', DATEADD(SECOND, -'0', "t3"."played_at"))) AS BIGINT)
          ) / (
            3600
          )
        ) AS BIGINT)
      ) / (
        24
      )
    ) AS BIGINT) AS "stretch"
  FROM "plays" AS "t3"
  WHERE
    (
      "t3"."seconds" IS NULL
    ) OR (
      "t3"."seconds" >= 5.0
    )
)
SELECT
  "t37"."user_id",
  "t37"."item_id",
  "t37"."t0",
  "t37"."horizon_end",
  "t37"."treatment",
  "t37"."outcome",
  CASE
    WHEN (
      "t37"."treatment" = 1
    ) AND (
      "t37"."outcome" = 1
    ) AND "t37"."credited"
    THEN 'attributed_play'
    WHEN "t37"."outcome" = 1
    THEN 'organic_play'
    WHEN (
      "t37"."treatment" = 1
    ) AND "t37"."unviewable"
    THEN 'unviewable'
    WHEN (
      "t37"."treatment" = 1
    ) AND "t37"."unplayable"
    THEN 'unplayable'
    WHEN "t37"."treatment" = 1
    THEN 'true_negative'
    ELSE 'control_negative'
  END AS "label_kind",
  "t37"."sampling_weight",
  "t37"."censoring_weight",
  "t37"."sampling_weight" * "t37"."censoring_weight" AS "analysis_weight"
FROM (
  SELECT
    "t28"."user_id",
    "t28"."item_id",
    "t28"."t0",
    "t28"."horizon_end",
    "t28"."treatment",
    "t28"."sampling_weight",
    "t28"."censoring_weight",
    "t28"."outcome",
    COALESCE("t36"."first_credited" < "t28"."horizon_end", FALSE) AS "credited",
    COALESCE(NOT (
      "t19"."seen"
    ), FALSE) AS "unviewable",
    NOT (
      TRUE
      AND (
        (
          "t6"."available_from" IS NULL
        ) OR (
          "t6"."available_from" <= "t28"."t0"
        )
      )
      AND (
        (
          "t6"."available_until" IS NULL
        ) OR (
          "t28"."t0" < "t6"."available_until"
        )
      )
    ) AS "unplayable"
  FROM (
    SELECT
      "t25".*
      EXCLUDE ("next_play")
    FROM (
      SELECT
        "t20"."user_id",
        "t20"."item_id",
        "t20"."t0",
        "t20"."horizon_end",
        "t20"."treatment",
        "t20"."sampling_weight",
        "t20"."next_play",
        CAST(1 AS DOUBLE) AS "censoring_weight",
        CAST(CASE
          WHEN COALESCE("t20"."next_play" < "t20"."horizon_end", FALSE)
          THEN 1
          WHEN NOT (
            COALESCE("t20"."next_play" < "t20"."horizon_end", FALSE)
          )
          THEN 0
          ELSE NULL
        END AS TINYINT) AS "outcome"
      FROM (
        SELECT
          "t10"."user_id",
          "t10"."item_id",
          "t10"."t0",
          "t10"."horizon_end",
          "t10"."treatment",
          "t10"."sampling_weight",
          "t15"."played_at" AS "next_play"
        FROM (
          SELECT
            "t2"."user_id",
            "t2"."item_id",
            "t2"."t0",
            DATEADD(SECOND, '86400', "t2"."t0") AS "horizon_end",
            CAST(CASE WHEN "t2"."shown" THEN 1 WHEN NOT (
              "t2"."shown"
            ) THEN 0 ELSE NULL END AS TINYINT) AS "treatment",
            CAST(1 AS DOUBLE) AS "sampling_weight"
          FROM "candidates" AS "t2"
          WHERE
            DATEADD(SECOND, '86400', "t2"."t0") <= TIMESTAMP_TZ_FROM_PARTS(2024, 1, 1, 0, 0, 0, 0, 'UTC')
        ) AS "t10"
        LEFT OUTER JOIN (
          SELECT
            "t5"."user_id",
            "t5"."item_id",
            "t5"."played_at",
            COALESCE(
              LAG("t5"."played_at") OVER (PARTITION BY "t5"."user_id", "t5"."item_id" ORDER BY "t5"."played_at" ASC),
              TIMESTAMP_TZ_FROM_PARTS(1, 1, 1, 0, 0, 0, 0, 'UTC')
            ) AS "previous"
          FROM (
            SELECT
              "t3"."user_id",
              "t3"."item_id",
              "t3"."played_at"
            FROM "plays" AS "t3"
          ) AS "t5"
        ) AS "t15"
          ON "t10"."user_id" = "t15"."user_id"
          AND "t10"."item_id" = "t15"."item_id"
          AND "t10"."t0" > "t15"."previous"
          AND "t10"."t0" <= "t15"."played_at"
      ) AS "t20"
    ) AS "t25"
  ) AS "t28"
  LEFT OUTER JOIN (
    SELECT
      "t34"."user_id",
      "t34"."item_id",
      "t34"."t0",
      MIN("t34"."played_at") AS "first_credited"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t9"."play_id",
          "t32"."impression_id",
          "t9"."user_id",
          "t9"."item_id",
          "t9"."played_at",
          "t32"."t0",
          COALESCE("t32"."credit", CAST(1 AS DOUBLE)) AS "credit"
        FROM (
          SELECT
            *
          FROM "plays" AS "t3"
          WHERE
            (
              "t3"."seconds" IS NULL
            ) OR (
              "t3"."seconds" >= 5.0
            )
        ) AS "t9"
        LEFT OUTER JOIN (
          SELECT
            "t30".*
            EXCLUDE ("place")
          FROM (
            SELECT
              "t29"."play_id",
              "t29"."impression_id",
              "t29"."t0",
              "t29"."place",
              CAST('1' AS DOUBLE) AS "credit"
            FROM (
              SELECT
                "t27"."play_id",
                "t27"."impression_id",
                "t27"."t0",
                ROW_NUMBER() OVER (
                  PARTITION BY "t27"."play_id"
                  ORDER BY "t27"."t0" DESC NULLS LAST, "t27"."impression_id" DESC NULLS LAST
                ) - 1 AS "place"
              FROM (
                SELECT
                  "t24"."play_id",
                  "t24"."impression_id",
                  "t24"."t0"
                FROM (
                  SELECT
                    "t23"."play_id",
                    "t14"."impression_id",
                    "t14"."t0",
                    "t23"."played_at"
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
                    WHERE
                      COALESCE("t1"."viewable", TRUE)
                  ) AS "t14"
                  INNER JOIN (
                    SELECT
                      *
                    FROM "t16" AS "t17"
                    UNION ALL
                    SELECT
                      *
                    FROM (
                      SELECT
                        "t17"."play_id",
                        "t17"."user_id",
                        "t17"."item_id",
                        "t17"."played_at",
                        "t17"."opens",
                        "t17"."closes",
                        "t17"."first_stretch",
                        "t17"."first_stretch" AS "stretch"
                      FROM "t16" AS "t17"
                      WHERE
                        "t17"."first_stretch" < "t17"."stretch"
                    ) AS "t21"
                  ) AS "t23"
                    ON "t14"."user_id" = "t23"."user_id"
                    AND "t14"."item_id" = "t23"."item_id"
                    AND "t14"."stretch" = "t23"."stretch"
                    AND "t14"."t0" > "t23"."opens"
                    AND "t14"."t0" <= "t23"."closes"
                ) AS "t24"
              ) AS "t27"
            ) AS "t29"
            WHERE
              "t29"."place" = 0
          ) AS "t30"
        ) AS "t32"
          ON "t9"."play_id" = "t32"."play_id"
      ) AS "t33"
      WHERE
        "t33"."impression_id" IS NOT NULL
    ) AS "t34"
    GROUP BY
      1,
      2,
      3
  ) AS "t36"
    ON "t28"."user_id" = "t36"."user_id"
    AND "t28"."item_id" = "t36"."item_id"
    AND "t28"."t0" = "t36"."t0"
  LEFT OUTER JOIN (
    SELECT
      *
    FROM (
      SELECT
        "t1"."user_id",
        "t1"."item_id",
        "t1"."t0",
        MAX(
          COALESCE(
            "t1"."viewable"
            AND (
              (
                "t1"."viewable_ms" > 0
              ) AND (
                "t1"."viewable_ms" >= 0.0
              )
            ),
            "t1"."viewable",
            (
              "t1"."viewable_ms" > 0
            ) AND (
              "t1"."viewable_ms" >= 0.0
            ),
            TRUE
          )
        ) AS "seen"
      FROM "impressions" AS "t1"
      GROUP BY
        1,
        2,
        3
    ) AS "t12"
    WHERE
      NOT (
        "t12"."seen"
      )
  ) AS "t19"
    ON "t28"."user_id" = "t19"."user_id"
    AND "t28"."item_id" = "t19"."item_id"
    AND "t28"."t0" = "t19"."t0"
  LEFT OUTER JOIN (
    SELECT
      *
    FROM "items" AS "t0"
  ) AS "t6"
    ON "t28"."item_id" = "t6"."item_id"
) AS "t37"
