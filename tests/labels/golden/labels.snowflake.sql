SELECT
  "t31"."user_id",
  "t31"."item_id",
  "t31"."t0",
  "t31"."horizon_end",
  "t31"."treatment",
  "t31"."outcome",
  CASE
    WHEN (
      "t31"."treatment" = 1
    )
    AND (
      "t31"."outcome" = 1
    )
    AND COALESCE("t31"."first_credited" < "t31"."horizon_end", FALSE)
    THEN 'attributed_play'
    WHEN "t31"."outcome" = 1
    THEN 'organic_play'
    WHEN (
      "t31"."treatment" = 1
    ) AND COALESCE("t31"."unviewable", FALSE)
    THEN 'unviewable'
    WHEN "t31"."treatment" = 1
    THEN 'true_negative'
    ELSE 'control_negative'
  END AS "label_kind",
  "t31"."sampling_weight",
  "t31"."censoring_weight",
  "t31"."sampling_weight" * "t31"."censoring_weight" AS "analysis_weight"
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
    "t30"."first_credited",
    "t15"."unviewable"
  FROM (
    SELECT
      "t21".*
      EXCLUDE ("next_play")
    FROM (
      SELECT
        "t19"."user_id",
        "t19"."item_id",
        "t19"."t0",
        "t19"."horizon_end",
        "t19"."treatment",
        "t19"."sampling_weight",
        "t19"."next_play",
        CAST(1 AS DOUBLE) AS "censoring_weight",
        CAST(CASE
          WHEN COALESCE("t19"."next_play" < "t19"."horizon_end", FALSE)
          THEN 1
          WHEN NOT (
            COALESCE("t19"."next_play" < "t19"."horizon_end", FALSE)
          )
          THEN 0
          ELSE NULL
        END AS TINYINT) AS "outcome"
      FROM (
        SELECT
          "t12"."user_id",
          "t12"."item_id",
          "t12"."t0",
          "t12"."horizon_end",
          "t12"."treatment",
          "t12"."sampling_weight",
          "t16"."played_at" AS "next_play"
        FROM (
          SELECT
            "t1"."user_id",
            "t1"."item_id",
            "t1"."t0",
            DATEADD(SECOND, '86400', "t1"."t0") AS "horizon_end",
            CAST(CASE WHEN "t1"."shown" THEN 1 WHEN NOT (
              "t1"."shown"
            ) THEN 0 ELSE NULL END AS TINYINT) AS "treatment",
            CAST(1 AS DOUBLE) AS "sampling_weight"
          FROM "candidates" AS "t1"
          WHERE
            DATEADD(SECOND, '86400', "t1"."t0") <= TIMESTAMP_TZ_FROM_PARTS(2024, 1, 1, 0, 0, 0, 0, 'UTC')
        ) AS "t12"
        LEFT OUTER JOIN (
          SELECT
            "t3"."user_id",
            "t3"."item_id",
            "t3"."played_at",
            COALESCE(
              LAG("t3"."played_at") OVER (PARTITION BY "t3"."user_id", "t3"."item_id" ORDER BY "t3"."played_at" ASC),
              TIMESTAMP_TZ_FROM_PARTS(1, 1, 1, 0, 0, 0, 0, 'UTC')
            ) AS "previous"
          FROM (
            SELECT
              "t2"."user_id",
              "t2"."item_id",
              "t2"."played_at"
            FROM "plays" AS "t2"
          ) AS "t3"
        ) AS "t16"
          ON "t12"."user_id" = "t16"."user_id"
          AND "t12"."item_id" = "t16"."item_id"
          AND "t12"."t0" > "t16"."previous"
          AND "t12"."t0" <= "t16"."played_at"
      ) AS "t19"
    ) AS "t21"
  ) AS "t24"
  LEFT OUTER JOIN (
    SELECT
      "t28"."user_id",
      "t28"."item_id",
      "t28"."t0",
      MIN("t28"."played_at") AS "first_credited"
    FROM (
      SELECT
        *
      FROM (
        SELECT
          "t10"."play_id",
          "t26"."impression_id",
          "t10"."user_id",
          "t10"."item_id",
          "t10"."played_at",
          "t26"."t0",
          COALESCE("t26"."credit", 1.0) AS "credit"
        FROM (
          SELECT
            *
          FROM "plays" AS "t2"
          WHERE
            (
              "t2"."seconds" IS NULL
            ) OR (
              "t2"."seconds" >= 5.0
            )
        ) AS "t10"
        LEFT OUTER JOIN (
          SELECT
            "t23".*
            EXCLUDE ("place")
          FROM (
            SELECT
              "t20"."play_id",
              "t20"."impression_id",
              "t20"."t0",
              "t20"."place",
              CAST("t20"."place" + 1 AS DOUBLE) AS "credit"
            FROM (
              SELECT
                "t18"."play_id",
                "t18"."impression_id",
                "t18"."t0",
                ROW_NUMBER() OVER (
                  PARTITION BY "t18"."play_id"
                  ORDER BY "t18"."t0" DESC NULLS LAST, "t18"."impression_id" DESC NULLS LAST
                ) - 1 AS "place"
              FROM (
                SELECT
                  "t17"."play_id",
                  "t17"."impression_id",
                  "t17"."t0"
                FROM (
                  SELECT
                    "t11"."play_id",
                    "t6"."impression_id",
                    "t6"."t0",
                    "t11"."played_at"
                  FROM (
                    SELECT
                      "t0"."impression_id",
                      "t0"."user_id",
                      "t0"."item_id",
                      "t0"."t0"
                    FROM "impressions" AS "t0"
                    WHERE
                      COALESCE("t0"."viewable", TRUE)
                  ) AS "t6"
                  INNER JOIN (
                    SELECT
                      "t2"."play_id",
                      "t2"."user_id",
                      "t2"."item_id",
                      "t2"."played_at",
                      DATEADD(SECOND, -'86400', "t2"."played_at") AS "opens",
                      DATEADD(SECOND, -'0', "t2"."played_at") AS "closes"
                    FROM "plays" AS "t2"
                    WHERE
                      (
                        "t2"."seconds" IS NULL
                      ) OR (
                        "t2"."seconds" >= 5.0
                      )
                  ) AS "t11"
                    ON "t6"."user_id" = "t11"."user_id"
                    AND "t6"."item_id" = "t11"."item_id"
                    AND "t6"."t0" > "t11"."opens"
                    AND "t6"."t0" <= "t11"."closes"
                ) AS "t17"
              ) AS "t18"
            ) AS "t20"
            WHERE
              "t20"."place" = 0
          ) AS "t23"
        ) AS "t26"
          ON "t10"."play_id" = "t26"."play_id"
      ) AS "t27"
      WHERE
        "t27"."impression_id" IS NOT NULL
    ) AS "t28"
    GROUP BY
      1,
      2,
      3
  ) AS "t30"
    ON "t24"."user_id" = "t30"."user_id"
    AND "t24"."item_id" = "t30"."item_id"
    AND "t24"."t0" = "t30"."t0"
  LEFT OUTER JOIN (
    SELECT
      "t5"."user_id",
      "t5"."item_id",
      "t5"."t0",
      NOT (
        "t5"."seen"
      ) AS "unviewable"
    FROM (
      SELECT
        "t0"."user_id",
        "t0"."item_id",
        "t0"."t0",
        MAX(COALESCE("t0"."viewable", TRUE)) AS "seen"
      FROM "impressions" AS "t0"
      GROUP BY
        1,
        2,
        3
    ) AS "t5"
    WHERE
      NOT (
        "t5"."seen"
      )
  ) AS "t15"
    ON "t24"."user_id" = "t15"."user_id"
    AND "t24"."item_id" = "t15"."item_id"
    AND "t24"."t0" = "t15"."t0"
) AS "t31"
