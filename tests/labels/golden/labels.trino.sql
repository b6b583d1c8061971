WITH "t14" AS (
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
)
SELECT
  "t34"."user_id",
  "t34"."item_id",
  "t34"."t0",
  "t34"."horizon_end",
  "t34"."treatment",
  "t34"."outcome",
  CASE
    WHEN (
      "t34"."treatment" = 1
    )
    AND (
      "t34"."outcome" = 1
    )
    AND COALESCE("t34"."first_credited" < "t34"."horizon_end", FALSE)
    THEN 'attributed_play'
    WHEN "t34"."outcome" = 1
    THEN 'organic_play'
    WHEN (
      "t34"."treatment" = 1
    ) AND COALESCE("t34"."unviewable", FALSE)
    THEN 'unviewable'
    WHEN "t34"."treatment" = 1
    THEN 'true_negative'
    ELSE 'control_negative'
  END AS "label_kind",
  "t34"."sampling_weight",
  "t34"."censoring_weight",
  "t34"."sampling_weight" * "t34"."censoring_weight" AS "analysis_weight"
FROM (
  SELECT
    "t24"."user_id",
    "t24"."item_id",
    "t24"."t0",
    "t24"."horizon_end",
    "t24"."treatment",
    "t24"."sampling_weight",
    "t24"."censoring_weight",
    "t24"."outcome",
    "t33"."first_credited",
    "t15"."unviewable"
  FROM (
    SELECT
      "t21"."user_id",
      "t21"."item_id",
      "t21"."t0",
      "t21"."horizon_end",
      "t21"."treatment",
      "t21"."sampling_weight",
      "t21"."censoring_weight",
      "t21"."outcome"
    FROM (
      SELECT
        "t17"."user_id",
        "t17"."item_id",
        "t17"."t0",
        "t17"."horizon_end",
        "t17"."treatment",
        "t17"."sampling_weight",
        "t17"."next_play",
        CAST(1 AS DOUBLE) AS "censoring_weight",
        CAST(COALESCE("t17"."next_play" < "t17"."horizon_end", FALSE) AS TINYINT) AS "outcome"
      FROM (
        SELECT
          "t7"."user_id",
          "t7"."item_id",
          "t7"."t0",
          "t7"."horizon_end",
          "t7"."treatment",
          "t7"."sampling_weight",
          "t13"."played_at" AS "next_play"
        FROM (
          SELECT
            "t1"."user_id",
            "t1"."item_id",
            "t1"."t0",
            "t1"."t0" + INTERVAL '86400' SECOND AS "horizon_end",
            CAST("t1"."shown" AS TINYINT) AS "treatment",
            CAST(1 AS DOUBLE) AS "sampling_weight"
          FROM "candidates" AS "t1"
          WHERE
            (
              "t1"."t0" + INTERVAL '86400' SECOND
            ) <= CAST(FROM_ISO8601_TIMESTAMP('2024-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
        ) AS "t7"
        LEFT OUTER JOIN (
          SELECT
            "t3"."user_id",
            "t3"."item_id",
            "t3"."played_at",
            COALESCE(
              LAG("t3"."played_at") OVER (PARTITION BY "t3"."user_id", "t3"."item_id" ORDER BY "t3"."played_at" ASC),
              CAST(FROM_ISO8601_TIMESTAMP('0001-01-01T00:00:00+00:00') AS TIMESTAMP WITH TIME ZONE)
            ) AS "previous"
          FROM (
            SELECT
              "t2"."user_id",
              "t2"."item_id",
              "t2"."played_at"
            FROM "plays" AS "t2"
          ) AS "t3"
        ) AS "t13"
          ON "t7"."user_id" = "t13"."user_id"
          AND "t7"."item_id" = "t13"."item_id"
          AND "t7"."t0" > "t13"."previous"
          AND "t7"."t0" <= "t13"."played_at"
      ) AS "t17"
    ) AS "t21"
  ) AS "t24"
  LEFT OUTER JOIN (
    SELECT
      "t31"."user_id",
      "t31"."item_id",
      "t31"."t0",
      MIN("t31"."played_at") AS "first_credited"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t8"."play_id",
          "t29"."impression_id",
          "t8"."user_id",
          "t8"."item_id",
          "t8"."played_at",
          "t29"."t0",
          COALESCE("t29"."credit", CAST(1.0 AS DOUBLE)) AS "credit"
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
            "t27"."play_id",
            "t27"."impression_id",
            "t27"."t0",
            "t27"."credit"
          FROM (
            SELECT
              "t26"."play_id",
              "t26"."impression_id",
              "t26"."t0",
              "t26"."place",
              CAST("t26"."place" + 1 AS DOUBLE) AS "credit"
            FROM (
              SELECT
                "t25"."play_id",
                "t25"."impression_id",
                "t25"."t0",
                ROW_NUMBER() OVER (PARTITION BY "t25"."play_id" ORDER BY "t25"."t0" DESC, "t25"."impression_id" DESC) - 1 AS "place"
              FROM (
                SELECT
                  "t23"."play_id",
                  "t23"."impression_id",
                  "t23"."t0"
                FROM (
                  SELECT
                    "t20"."play_id",
                    "t11"."impression_id",
                    "t11"."t0",
                    "t20"."played_at"
                  FROM (
                    SELECT
                      "t0"."impression_id",
                      "t0"."user_id",
                      "t0"."item_id",
                      "t0"."t0",
                      CAST(FLOOR(
                        CAST((
                          CAST(FLOOR(
                            CAST((
                              CAST(TO_UNIXTIME(DATE_TRUNC('SECOND', "t0"."t0")) AS BIGINT)
                            ) AS DOUBLE) / (
                              3600
                            )
                          ) AS BIGINT)
                        ) AS DOUBLE) / (
                          24
                        )
                      ) AS BIGINT) AS "stretch"
                    FROM "impressions" AS "t0"
                    WHERE
                      COALESCE("t0"."viewable", TRUE)
                  ) AS "t11"
                  INNER JOIN (
                    SELECT
                      *
                    FROM "t14" AS "t16"
                    UNION ALL
                    SELECT
                      *
                    FROM (
                      SELECT
                        "t16"."play_id",
                        "t16"."user_id",
                        "t16"."item_id",
                        "t16"."played_at",
                        "t16"."opens",
                        "t16"."closes",
                        "t16"."first_stretch",
                        "t16"."first_stretch" AS "stretch"
                      FROM "t14" AS "t16"
                      WHERE
                        "t16"."first_stretch" < "t16"."stretch"
                    ) AS "t18"
                  ) AS "t20"
                    ON "t11"."user_id" = "t20"."user_id"
                    AND "t11"."item_id" = "t20"."item_id"
                    AND "t11"."stretch" = "t20"."stretch"
                    AND "t11"."t0" > "t20"."opens"
                    AND "t11"."t0" <= "t20"."closes"
                ) AS "t23"
              ) AS "t25"
            ) AS "t26"
            WHERE
              "t26"."place" = 0
          ) AS "t27"
        ) AS "t29"
          ON "t8"."play_id" = "t29"."play_id"
      ) AS "t30"
      WHERE
        "t30"."impression_id" IS NOT NULL
    ) AS "t31"
    GROUP BY
      1,
      2,
      3
  ) AS "t33"
    ON "t24"."user_id" = "t33"."user_id"
    AND "t24"."item_id" = "t33"."item_id"
    AND "t24"."t0" = "t33"."t0"
  LEFT OUTER JOIN (
    SELECT
      "t6"."user_id",
      "t6"."item_id",
      "t6"."t0",
      "t6"."seen" = 0 AS "unviewable"
    FROM (
      SELECT
        "t0"."user_id",
        "t0"."item_id",
        "t0"."t0",
        MAX(CAST(COALESCE("t0"."viewable", TRUE) AS TINYINT)) AS "seen"
      FROM "impressions" AS "t0"
      GROUP BY
        1,
        2,
        3
    ) AS "t6"
    WHERE
      "t6"."seen" = 0
  ) AS "t15"
    ON "t24"."user_id" = "t15"."user_id"
    AND "t24"."item_id" = "t15"."item_id"
    AND "t24"."t0" = "t15"."t0"
) AS "t34"
