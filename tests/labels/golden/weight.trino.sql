WITH "t16" AS (
  SELECT
    "t2"."play_id",
    "t2"."user_id",
    "t2"."item_id",
    "t2"."played_at",
    "t2"."played_at" - INTERVAL '86400' SECOND AS "opens",
    "t2"."played_at" - INTERVAL '0' SECOND AS "closes",
    CAST(FLOOR(
      CAST((
        CAST(FLOOR(
          CAST((
            CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t2"."played_at" - INTERVAL '86400' SECOND)) AS BIGINT)
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
            CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t2"."played_at" - INTERVAL '0' SECOND)) AS BIGINT)
          ) AS DOUBLE) / (
            3600
          )
        ) AS BIGINT)
      ) AS DOUBLE) / (
        24
      )
    ) AS BIGINT) AS "stretch"
  FROM "plays" AS "t2"
  WHERE
    (
      "t2"."seconds" IS NULL
    ) OR (
      "t2"."seconds" >= CAST(5.0 AS DOUBLE)
    )
), "t27" AS (
  SELECT
    "t24"."user_id",
    "t24"."item_id",
    "t24"."t0",
    "t24"."horizon_end",
    "t24"."treatment",
    "t24"."sampling_weight",
    "t24"."next_play",
    "t24"."censoring_cohort",
    SUM("t24"."censoring_whole") OVER (
      PARTITION BY "t24"."censoring_cohort"
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS "censoring_whole",
    "t24"."determined",
    COUNT(*) OVER (
      PARTITION BY "t24"."censoring_cohort"
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS "censoring_all"
  FROM (
    SELECT
      "t20"."user_id",
      "t20"."item_id",
      "t20"."t0",
      "t20"."horizon_end",
      "t20"."treatment",
      "t20"."sampling_weight",
      "t20"."next_play",
      CAST(FLOOR(
        CAST((
          CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t20"."t0")) AS BIGINT)
        ) AS DOUBLE) / (
          86400
        )
      ) AS BIGINT) AS "censoring_cohort",
      CAST(CASE
        WHEN "t20"."horizon_end" <= CAST(FROM_ISO8601_TIMESTAMP('2024-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
        THEN 1
        WHEN NOT (
          "t20"."horizon_end" <= CAST(FROM_ISO8601_TIMESTAMP('2024-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
        )
        THEN 0
        ELSE NULL
      END AS BIGINT) AS "censoring_whole",
      (
        "t20"."horizon_end" <= CAST(FROM_ISO8601_TIMESTAMP('2024-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
      )
      OR COALESCE(
        (
          "t20"."next_play" < "t20"."horizon_end"
        )
        AND (
          "t20"."next_play" < CAST(FROM_ISO8601_TIMESTAMP('2024-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
        ),
        FALSE
      ) AS "determined"
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
          "t3"."user_id",
          "t3"."item_id",
          "t3"."t0",
          "t3"."t0" + INTERVAL '86400' SECOND AS "horizon_end",
          CAST(CASE WHEN "t3"."shown" THEN 1 WHEN NOT (
            "t3"."shown"
          ) THEN 0 ELSE NULL END AS TINYINT) AS "treatment",
          CAST(1 AS DOUBLE) AS "sampling_weight"
        FROM "candidates" AS "t3"
      ) AS "t10"
      LEFT OUTER JOIN (
        SELECT
          "t5"."user_id",
          "t5"."item_id",
          "t5"."played_at",
          COALESCE(
            LAG("t5"."played_at") OVER (PARTITION BY "t5"."user_id", "t5"."item_id" ORDER BY "t5"."played_at" ASC),
            CAST(FROM_ISO8601_TIMESTAMP('0001-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
          ) AS "previous"
        FROM (
          SELECT
            "t2"."user_id",
            "t2"."item_id",
            "t2"."played_at"
          FROM "plays" AS "t2"
        ) AS "t5"
      ) AS "t15"
        ON "t10"."user_id" = "t15"."user_id"
        AND "t10"."item_id" = "t15"."item_id"
        AND "t10"."t0" > "t15"."previous"
        AND "t10"."t0" <= "t15"."played_at"
    ) AS "t20"
  ) AS "t24"
)
SELECT
  "t47"."user_id",
  "t47"."item_id",
  "t47"."t0",
  "t47"."horizon_end",
  "t47"."treatment",
  "t47"."outcome",
  CASE
    WHEN (
      "t47"."treatment" = 1
    ) AND (
      "t47"."outcome" = 1
    ) AND "t47"."credited"
    THEN 'attributed_play'
    WHEN "t47"."outcome" = 1
    THEN 'organic_play'
    WHEN (
      "t47"."treatment" = 1
    ) AND "t47"."unviewable"
    THEN 'unviewable'
    WHEN (
      "t47"."treatment" = 1
    ) AND "t47"."unplayable"
    THEN 'unplayable'
    WHEN "t47"."treatment" = 1
    THEN 'true_negative'
    ELSE 'control_negative'
  END AS "label_kind",
  "t47"."sampling_weight",
  "t47"."censoring_weight",
  "t47"."sampling_weight" * "t47"."censoring_weight" AS "analysis_weight"
FROM (
  SELECT
    "t46"."user_id",
    "t46"."item_id",
    "t46"."t0",
    "t46"."horizon_end",
    "t46"."treatment",
    "t46"."sampling_weight",
    "t46"."censoring_weight",
    "t46"."outcome",
    COALESCE("t41"."first_credited" < "t46"."horizon_end", FALSE) AS "credited",
    COALESCE(NOT (
      "t19"."seen"
    ), FALSE) AS "unviewable",
    NOT (
      TRUE
      AND (
        (
          "t6"."available_from" IS NULL
        ) OR (
          "t6"."available_from" <= "t46"."t0"
        )
      )
      AND (
        (
          "t6"."available_until" IS NULL
        ) OR (
          "t46"."t0" < "t6"."available_until"
        )
      )
    ) AS "unplayable"
  FROM (
    SELECT
      "t44"."user_id",
      "t44"."item_id",
      "t44"."t0",
      "t44"."horizon_end",
      "t44"."treatment",
      "t44"."sampling_weight",
      "t44"."censoring_weight",
      "t44"."outcome"
    FROM (
      SELECT
        "t43"."user_id",
        "t43"."item_id",
        "t43"."t0",
        "t43"."horizon_end",
        "t43"."treatment",
        "t43"."sampling_weight",
        "t43"."next_play",
        "t43"."censoring_weight",
        CAST(CASE
          WHEN COALESCE("t43"."next_play" < "t43"."horizon_end", FALSE)
          THEN 1
          WHEN NOT (
            COALESCE("t43"."next_play" < "t43"."horizon_end", FALSE)
          )
          THEN 0
          ELSE NULL
        END AS TINYINT) AS "outcome"
      FROM (
        SELECT
          *
        FROM (
          SELECT
            "t28"."user_id",
            "t28"."item_id",
            "t28"."t0",
            "t28"."horizon_end",
            "t28"."treatment",
            "t28"."sampling_weight",
            "t28"."next_play",
            CAST(1 AS DOUBLE) AS "censoring_weight"
          FROM "t27" AS "t28"
          WHERE
            NOT (
              "t28"."censoring_whole" < "t28"."censoring_all"
            )
        ) AS "t30"
        UNION ALL
        SELECT
          *
        FROM (
          SELECT
            "t39"."user_id",
            "t39"."item_id",
            "t39"."t0",
            "t39"."horizon_end",
            "t39"."treatment",
            "t39"."sampling_weight",
            "t39"."next_play",
            CAST("t39"."censoring_all" AS DOUBLE) / CAST("t39"."censoring_risk" AS DOUBLE) AS "censoring_weight"
          FROM (
            SELECT
              "t36"."user_id",
              "t36"."item_id",
              "t36"."t0",
              "t36"."horizon_end",
              "t36"."treatment",
              "t36"."sampling_weight",
              "t36"."next_play",
              "t36"."censoring_cohort",
              "t36"."censoring_whole",
              "t36"."determined",
              "t36"."censoring_all",
              "t36"."censoring_second",
              "t36"."censoring_kind",
              SUM(1 - "t36"."censoring_kind") OVER (
                PARTITION BY "t36"."censoring_cohort"
                ORDER BY "t36"."censoring_second" ASC, "t36"."censoring_kind" ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
              ) AS "censoring_risk"
            FROM (
              SELECT
                *
              FROM (
                SELECT
                  "t28"."user_id",
                  "t28"."item_id",
                  "t28"."t0",
                  "t28"."horizon_end",
                  "t28"."treatment",
                  "t28"."sampling_weight",
                  "t28"."next_play",
                  "t28"."censoring_cohort",
                  "t28"."censoring_whole",
                  "t28"."determined",
                  "t28"."censoring_all",
                  CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t28"."t0")) AS BIGINT) AS "censoring_second",
                  0 AS "censoring_kind"
                FROM "t27" AS "t28"
                WHERE
                  "t28"."censoring_whole" < "t28"."censoring_all"
              ) AS "t31"
              UNION ALL
              SELECT
                *
              FROM (
                SELECT
                  "t28"."user_id",
                  "t28"."item_id",
                  "t28"."t0",
                  "t28"."horizon_end",
                  "t28"."treatment",
                  "t28"."sampling_weight",
                  "t28"."next_play",
                  "t28"."censoring_cohort",
                  "t28"."censoring_whole",
                  "t28"."determined",
                  "t28"."censoring_all",
                  CAST(TO_UNIXTIME(
                    DATE_TRUNC(
                      'SECOND',
                      CAST(FROM_ISO8601_TIMESTAMP('2024-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
                    )
                  ) AS BIGINT) - (
                    CAST(TO_UNIXTIME(
                      DATE_TRUNC(
                        'SECOND',
                        IF(
                          COALESCE("t28"."next_play" < "t28"."horizon_end", FALSE),
                          "t28"."next_play",
                          "t28"."horizon_end"
                        )
                      )
                    ) AS BIGINT) - CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t28"."t0")) AS BIGINT)
                  ) AS "censoring_second",
                  1 AS "censoring_kind"
                FROM "t27" AS "t28"
                WHERE
                  "t28"."censoring_whole" < "t28"."censoring_all"
                  AND "t28"."determined"
                  AND "t28"."censoring_whole" >= (
                    "t28"."censoring_all" * CAST(0.1 AS DOUBLE)
                  )
              ) AS "t35"
            ) AS "t36"
          ) AS "t39"
          WHERE
            "t39"."censoring_kind" = 1
        ) AS "t42"
      ) AS "t43"
    ) AS "t44"
  ) AS "t46"
  LEFT OUTER JOIN (
    SELECT
      "t38"."user_id",
      "t38"."item_id",
      "t38"."t0",
      MIN("t38"."played_at") AS "first_credited"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t8"."play_id",
          "t34"."impression_id",
          "t8"."user_id",
          "t8"."item_id",
          "t8"."played_at",
          "t34"."t0",
          COALESCE("t34"."credit", CAST(1 AS DOUBLE)) AS "credit"
        FROM (
          SELECT
            *
          FROM "plays" AS "t2"
          WHERE
            (
              "t2"."seconds" IS NULL
            ) OR (
              "t2"."seconds" >= CAST(5.0 AS DOUBLE)
            )
        ) AS "t8"
        LEFT OUTER JOIN (
          SELECT
            "t32"."play_id",
            "t32"."impression_id",
            "t32"."t0",
            "t32"."credit"
          FROM (
            SELECT
              "t29"."play_id",
              "t29"."impression_id",
              "t29"."t0",
              "t29"."place",
              CAST('1' AS DOUBLE) AS "credit"
            FROM (
              SELECT
                "t26"."play_id",
                "t26"."impression_id",
                "t26"."t0",
                ROW_NUMBER() OVER (PARTITION BY "t26"."play_id" ORDER BY "t26"."t0" DESC, "t26"."impression_id" DESC) - 1 AS "place"
              FROM (
                SELECT
                  "t25"."play_id",
                  "t25"."impression_id",
                  "t25"."t0"
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
                ) AS "t25"
              ) AS "t26"
            ) AS "t29"
            WHERE
              "t29"."place" = 0
          ) AS "t32"
        ) AS "t34"
          ON "t8"."play_id" = "t34"."play_id"
      ) AS "t37"
      WHERE
        "t37"."impression_id" IS NOT NULL
    ) AS "t38"
    GROUP BY
      1,
      2,
      3
  ) AS "t41"
    ON "t46"."user_id" = "t41"."user_id"
    AND "t46"."item_id" = "t41"."item_id"
    AND "t46"."t0" = "t41"."t0"
  LEFT OUTER JOIN (
    SELECT
      *
    FROM (
      SELECT
        "t1"."user_id",
        "t1"."item_id",
        "t1"."t0",
        BOOL_OR(
          COALESCE(
            "t1"."viewable"
            AND (
              (
                "t1"."viewable_ms" > 0
              ) AND (
                "t1"."viewable_ms" >= CAST(0.0 AS DOUBLE)
              )
            ),
            "t1"."viewable",
            (
              "t1"."viewable_ms" > 0
            ) AND (
              "t1"."viewable_ms" >= CAST(0.0 AS DOUBLE)
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
    ON "t46"."user_id" = "t19"."user_id"
    AND "t46"."item_id" = "t19"."item_id"
    AND "t46"."t0" = "t19"."t0"
  LEFT OUTER JOIN (
    SELECT
      *
    FROM "items" AS "t0"
  ) AS "t6"
    ON "t46"."item_id" = "t6"."item_id"
) AS "t47"
